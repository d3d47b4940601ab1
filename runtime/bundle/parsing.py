"""Checks every entry of a `bundle.json`: a bundle may come from anywhere.

C++ (`runtime/cpp/src/bundle/parsing.cpp`) makes the same checks and gives the same messages.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import BundleError
from .document import DOCUMENT, SCHEMA_VERSION, Artifact, ArtifactKind, DeployedInterface, Document, Precision, Profile

ENGINE = r"engines/[A-Za-z0-9_+][A-Za-z0-9._+-]*\.engine"

ARTIFACT_PATHS = {
    "onnx": (re.compile(r"model\.[A-Za-z0-9._-]+\.onnx"), "model.<name>.onnx"),
    "engine": (re.compile(ENGINE), "engines/<name>.engine"),
    "mask": (re.compile(r"fixed_mask(\.[0-9a-f]{12})?\.png"), "fixed_mask.png"),
    "plan": (re.compile(rf"{ENGINE}\.plan\.json"), "engines/<name>.engine.plan.json"),
}
"""What an artifact's path looks like: a document that names other files must not make us delete them."""

ARTIFACT_KEYS = (
    "path", "kind", "precision", "sha256", "bytes", "backend", "backend_version", "target", "key", "details",
)  # fmt: skip

OF_AN_ENGINE = ("backend", "backend_version", "target")

SHOWN = 80
"""Characters of a wrong value that an error shows."""


class _Entry:
    """A value of the document and where it stands, such as `interface.profile.batch`."""

    def __init__(self, name: str, value: Any):
        self.name, self.value = name, value

    def expect(self, fits: bool, expected: str) -> None:
        if not fits:
            text = json.dumps(self.value, separators=(",", ":"), ensure_ascii=False)
            text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            raise ValueError(f"{self.name} is {text}, expected {expected}")

    def object(self) -> "_Entry":
        self.expect(isinstance(self.value, dict), "an object")
        return self

    def get(self, key: str) -> "_Entry":
        name = f"{self.name}.{key}" if self.name else key
        if key not in self.value:
            raise KeyError(name)
        return _Entry(name, self.value[key])

    def optional(self, key: str) -> "_Entry":
        """An entry that may be missing, which is as good as null."""
        return self.get(key) if key in self.value else _Entry(f"{self.name}.{key}", None)

    def text(self) -> str:
        self.expect(isinstance(self.value, str), "a text")
        return str(self.value)

    def optional_text(self) -> str | None:
        return None if self.value is None else self.text()

    def names(self) -> tuple[str, ...]:
        fits = isinstance(self.value, list) and all(isinstance(name, str) for name in self.value)
        self.expect(fits, "a list of names")
        return tuple(self.value)

    def positive(self) -> int:
        self.expect(_is_integer(self.value, 1), "a positive integer")
        return int(self.value)

    def limits(self) -> tuple[int, int, int]:
        values = self.value
        fits = isinstance(values, list) and len(values) == 3 and all(_is_integer(value, 1) for value in values)
        self.expect(fits and values == sorted(values), "three positive integers, smallest <= best <= largest")
        return values[0], values[1], values[2]


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def parse_document(path: Path, content: bytes) -> Document:
    """Check the content of the `bundle.json` in the directory `path`.

    Raises:
        BundleError: naming the entry that is missing or wrong, what it is and what was expected.
    """
    document = path / DOCUMENT
    try:
        top = _Entry("the document", _read_json(content)).object()
        return _parse(path, _Entry("", top.value))
    except KeyError as error:
        what = f"lacks {error}"
    except (ValueError, OSError, RuntimeError) as error:  # OSError and RuntimeError of paths that resolve to nothing
        what = f"is malformed: {error}"
    raise BundleError(f"{document}: {what}; export it again")


def _read_json(content: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)  # NaN and Infinity, which Python would take

    try:
        return json.loads(content, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None


def _parse(path: Path, top: _Entry) -> Document:
    version = top.get("schema_version").value
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise BundleError(
            f"{path / DOCUMENT}: schema version {json.dumps(version)}, this release reads {SCHEMA_VERSION}; "
            "export it again, or install the release that made it"
        )
    interface = _interface(top.get("interface").object())
    network = top.get("network").object()
    sketch = network.optional("sketch")
    takes_sketch = "sketch" in interface.inputs
    sketch.expect((sketch.value or False) is takes_sketch, "true where the inputs have sketch, false elsewhere")
    entries = top.get("artifacts")
    entries.expect(isinstance(entries.value, list), "a list of objects")
    artifacts = tuple(
        _artifact(path, _Entry(f"artifacts[{index}]", value).object()) for index, value in enumerate(entries.value)
    )
    return Document(dict(top.get("source").object().value), dict(network.value), interface, artifacts)


def _interface(deployed: _Entry) -> DeployedInterface:
    io = deployed.get("io")
    io.expect(io.value in ("image", "tensor"), "image or tensor")
    size_multiple = deployed.get("size_multiple").positive()
    profile = deployed.get("profile").object()
    updated_mask = deployed.optional("updated_mask_output")
    return DeployedInterface(
        io=io.value,
        size_multiple=size_multiple,
        profile=Profile(**{axis: profile.get(axis).limits() for axis in ("batch", "height", "width")}),
        inputs=deployed.get("inputs").names(),
        outputs=deployed.get("outputs").names(),
        updated_mask_output=None if updated_mask.value is None else updated_mask.positive(),
    )


def _artifact(root: Path, entry: _Entry) -> Artifact:
    path, kind = entry.get("path").text(), entry.get("kind")
    kind.expect(kind.text() in ARTIFACT_PATHS, "onnx, engine, mask or plan")
    precision = entry.optional("precision")
    if kind.value == "mask":
        precision.expect(precision.value is None, "none")
    else:
        precision.expect(precision.value in ("fp32", "fp16"), "fp32 or fp16")
    sha256 = entry.get("sha256")
    fits = isinstance(sha256.value, str) and re.fullmatch("[0-9a-f]{64}", sha256.value) is not None
    sha256.expect(fits, "64 hexadecimal digits in lower case")
    size = entry.get("bytes")
    size.expect(_is_integer(size.value, 0), "an integer of 0 or more")
    texts = {key: entry.optional(key).optional_text() for key in (*OF_AN_ENGINE, "key")}
    details = entry.optional("details")
    details.expect(details.value is None or isinstance(details.value, dict), "an object")
    _check_keys(entry, kind.value, texts)
    _check_path(root, entry.get("path"), kind.value)
    return Artifact(
        path, cast(ArtifactKind, kind.value), cast(Precision | None, precision.value), sha256.value, size.value,
        **texts, details=dict(details.value or {}),
    )  # fmt: skip


def _check_keys(entry: _Entry, kind: str, texts: Mapping[str, str | None]) -> None:
    for key in entry.value:
        if key not in ARTIFACT_KEYS:
            raise ValueError(f"{entry.name} has the unknown key '{key}'")
    for key in OF_AN_ENGINE if kind in ("engine", "plan") else ():
        if not texts[key]:
            raise KeyError(f"{entry.name}.{key}")


def _check_path(root: Path, path: _Entry, kind: str) -> None:
    inside = "\0" not in path.value and (root / path.value).resolve().is_relative_to(root.resolve())
    path.expect(inside, "a path inside the bundle")
    form, example = ARTIFACT_PATHS[kind]
    path.expect(form.fullmatch(path.value) is not None, example)

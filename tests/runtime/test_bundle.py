"""The bundle: checked on reading, and at every moment either the old one or the new one."""

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.bundle import Bundle, DeployedInterface, Profile
from inpaintrt.runtime.errors import BundleError


def write(directory: Path, content: bytes, engines: tuple[bytes, ...] = ()) -> Bundle:
    """Commit a bundle with one model and some engines."""
    entries = {"model.fp32.onnx": content, **{f"engines/{data.hex()}.engine": data for data in engines}}
    made_by = {"backend": "b", "backend_version": "1", "target": "sm89"}
    artifacts = tuple(
        bundles.describe_file(data, path, "engine", "fp32", **made_by)
        if path.startswith("engines/")
        else bundles.describe_file(data, path, "onnx", "fp32")
        for path, data in entries.items()
    )
    interface = DeployedInterface(
        "image", 8, Profile((1, 1, 1), (8, 8, 8), (8, 8, 8)), ("image", "mask"), ("composite",)
    )
    bundle = Bundle(directory, {"kind": "module"}, {}, interface, artifacts)
    with contextlib.ExitStack() as stack:
        staged = {
            path: stack.enter_context(bundles.stage(directory, path.replace("/", "-"), data))
            for path, data in entries.items()
        }
        stack.enter_context(bundles.lock(directory))
        bundles.commit(bundle, staged)
    return bundle


def read(directory: Path) -> list[bytes]:
    """The content of all artifacts, checked."""
    bundle = Bundle.open(directory)
    return [bundle.file(artifact) for artifact in bundle.artifacts]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = write(tmp_path / "b", b"model", (b"engine",))
    assert Bundle.open(tmp_path / "b") == written
    assert read(tmp_path / "b") == [b"model", b"engine"]


class Killed(BaseException):
    """Stands for a process that is killed: nothing but `finally` would run, and not even that is relied on."""


def calls_of_a_commit(directory: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> int:
    """Commit new content, dying before the `stop_at`-th change to the file system; the number of changes."""
    count = 0

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if stop_at is not None and count >= stop_at:
                raise Killed
            count += 1
            return change(*args, **kwargs)

        return wrapper

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        patch.setattr(os, "link", counted(os.link))
        patch.setattr(os, "fsync", counted(os.fsync))
        with contextlib.suppress(Killed):
            write(directory, b"new model", (b"new engine",))
    return count


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_commit_that_dies_anywhere_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no hard links here")

    if not hard_links:
        monkeypatch.setattr(os, "link", refuse)
    old, new = [b"old model", b"old engine"], [b"new model", b"new engine"]
    write(tmp_path / "whole", *_split(old))
    steps = calls_of_a_commit(tmp_path / "whole", monkeypatch, None)
    assert read(tmp_path / "whole") == new
    assert steps > 8
    seen = []
    for stop_at in range(steps):
        directory = tmp_path / f"dies-at-{stop_at}"
        write(directory, *_split(old))
        calls_of_a_commit(directory, monkeypatch, stop_at)
        seen.append(read(directory))
        assert seen[-1] in (old, new)
        write(directory, b"later")  # and the next commit goes through
        assert read(directory) == [b"later"]
        assert (directory / "model.fp32.onnx").read_bytes() == b"later"
    assert old in seen
    assert new in seen


def _split(contents: list[bytes]) -> tuple[bytes, tuple[bytes, ...]]:
    return contents[0], tuple(contents[1:])


def test_a_replaced_bundle_holds_no_leftovers(tmp_path: Path) -> None:
    write(tmp_path, b"old", (b"engine",))
    write(tmp_path, b"new")
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [".lock", "bundle.json", "model.fp32.onnx"]


def test_files_of_dead_processes_are_removed_and_those_of_living_ones_kept(tmp_path: Path) -> None:
    import socket

    write(tmp_path, b"old")
    dead = tmp_path / f".partial-{socket.gethostname()}-999999999-x"
    living = tmp_path / f".partial-{socket.gethostname()}-{os.getppid()}-x"
    elsewhere = tmp_path / ".partial-otherhost-1-x"
    for path in (dead, living, elsewhere):
        path.write_bytes(b"")
    write(tmp_path, b"new")
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists()


def test_every_altered_byte_of_an_artifact_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, b"model content")
    path = tmp_path / "model.fp32.onnx"
    good = path.read_bytes()
    for index in range(len(good)):
        path.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        with pytest.raises(BundleError, match="was altered or is damaged"):
            read(tmp_path)
    path.unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        read(tmp_path)


def altered(directory: Path, change: Callable[[Any], None]) -> None:
    document = directory / "bundle.json"
    values = json.loads(document.read_text())
    change(values)
    document.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(schema_version=2), "schema version 2, this release reads 1; export it again, or install"),
        (lambda v: v.pop("artifacts"), "lacks 'artifacts'; export it again"),
        (lambda v: v["interface"]["profile"].pop("batch"), "lacks 'interface.profile.batch'"),
        (lambda v: v["artifacts"][0].pop("sha256"), "lacks 'artifacts[0].sha256'"),
        (lambda v: v["artifacts"][1].pop("backend"), "lacks 'artifacts[1].backend'"),
        (
            lambda v: v["artifacts"][0].update(path="../outside"),
            'is malformed: artifacts[0].path is "../outside", expected a path inside the bundle; export it again',
        ),
        (lambda v: v["artifacts"][0].update(path="/etc/passwd"), "expected a path inside the bundle"),
        (lambda v: v["artifacts"][0].update(path="x.onnx"), 'path is "x.onnx", expected model.<name>.onnx'),
        (lambda v: v["artifacts"][1].update(path="x.engine"), "expected engines/<name>.engine"),
        (lambda v: v["artifacts"][0].update(path=1), "artifacts[0].path is 1, expected a text"),
        (lambda v: v["artifacts"][0].update(sha256="short"), 'sha256 is "short", expected 64 hexadecimal digits'),
        (lambda v: v["artifacts"][0].update(kind="script"), 'kind is "script", expected onnx, engine, mask or plan'),
        (lambda v: v["artifacts"][0].update(precision="int8"), 'precision is "int8", expected fp32 or fp16'),
        (lambda v: v["artifacts"][0].update(surprise=1), "artifacts[0] has the unknown key 'surprise'"),
        (lambda v: v["artifacts"][0].update(bytes=-1), "artifacts[0].bytes is -1, expected an integer of 0 or more"),
        (lambda v: v["artifacts"][0].update(bytes=True), "bytes is true, expected an integer"),
        (lambda v: v["artifacts"][0].update(target=[1]), "artifacts[0].target is [1], expected a text"),
        (lambda v: v["artifacts"][0].update(details=[]), "artifacts[0].details is [], expected an object"),
        (lambda v: v.update(artifacts=[1]), "artifacts[0] is 1, expected an object"),
        (lambda v: v.update(artifacts=["x" * 100]), f'artifacts[0] is "{"x" * 79}..., expected an object'),
        (lambda v: v.update(artifacts={}), "artifacts is {}, expected a list of objects"),
        (lambda v: v["artifacts"][0].update(kind=[]), "artifacts[0].kind is [], expected a text"),
        (lambda v: v.update(source=float("nan")), "it is not JSON"),
        (lambda v: v["interface"].update(io="sound"), 'interface.io is "sound", expected image or tensor'),
        (lambda v: v["interface"].update(size_multiple=0), "size_multiple is 0, expected a positive integer"),
        (lambda v: v["interface"].update(updated_mask_output=0), "updated_mask_output is 0, expected a positive"),
        (lambda v: v["interface"].update(inputs=["image", 1]), 'inputs is ["image",1], expected a list of names'),
        (
            lambda v: v["interface"]["profile"].update(height=[8, 4, 8]),
            "interface.profile.height is [8,4,8], expected three positive integers, smallest <= best <= largest",
        ),
        (lambda v: v["interface"].update(profile=None), "interface.profile is null, expected an object"),
        (lambda v: v["network"].update(sketch=True), "network.sketch is true, expected true where the inputs have"),
        (lambda v: v.update(source=None), "source is null, expected an object"),
    ],
)
def test_malformed_documents_are_refused_with_the_entry(tmp_path: Path, change: Any, reason: str) -> None:
    write(tmp_path, b"model", (b"engine",))
    altered(tmp_path, change)
    with pytest.raises(BundleError, match=re.escape(reason)):
        Bundle.open(tmp_path)


def test_what_may_be_left_out_may_be_null_or_missing(tmp_path: Path) -> None:
    written = write(tmp_path, b"model")
    for change in (
        lambda v: v.pop("created_by"),
        lambda v: v["interface"].pop("updated_mask_output"),
        lambda v: v["artifacts"][0].update(backend=None, target=None, key=None, details=None),
        lambda v: v.update(from_a_later_release=1),
    ):
        altered(tmp_path, change)
        assert Bundle.open(tmp_path) == written


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_documents_that_are_no_json_object_are_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, b"model")
    (tmp_path / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"is malformed: (it is not JSON|the document is .*, expected an object);"):
        Bundle.open(tmp_path)


def test_a_link_out_of_the_bundle_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "b", b"model")
    (tmp_path / "secret").write_bytes(b"model")
    (tmp_path / "b" / "model.fp32.onnx").unlink()
    (tmp_path / "b" / "model.fp32.onnx").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match="expected a path inside the bundle"):
        Bundle.open(tmp_path / "b")


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle; export-onnx makes one"):
        Bundle.open(tmp_path / "none")
    with pytest.raises(BundleError, match=r"holds no bundle\.json"):
        Bundle.open(tmp_path)


def test_shapes_of_the_inputs() -> None:
    profile = Profile((1, 1, 1), (64,) * 3, (48,) * 3)
    image = DeployedInterface("image", 8, profile, ("image", "mask", "sketch"), ("composite",))
    assert image.input_shapes(2, 64, 48) == {"image": (2, 64, 48, 3), "mask": (2, 64, 48), "sketch": (2, 64, 48)}
    tensor = DeployedInterface("tensor", 8, profile, ("image",), ("output",))  # its mask never changes
    assert tensor.input_shapes("batch", "height", "width") == {"image": ("batch", 3, "height", "width")}

"""The bundle: the directory one stage hands to the next.

`bundle.json` names the source, the interface and the artifacts with their sha256. It is the single point of truth and
the single point of commit: it is replaced by one rename, and at every moment it names files that exist with the content
it says. So a process killed at any moment leaves the old bundle or the new one.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version as package_version
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from .errors import BundleError

SCHEMA_VERSION = 1
DOCUMENT = "bundle.json"
ENGINES = "engines"
REPORTS = "reports"
REPORT_FILES = ("parity.json", "report.html", "report.md", "latency.json")
LOCK = ".lock"
LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process to finish its commit, which takes milliseconds."""

ARTIFACT_PATHS = {
    "onnx": re.compile(r"model\.[A-Za-z0-9._-]+\.onnx"),
    "engine": re.compile(r"engines/[A-Za-z0-9_+][A-Za-z0-9._+-]*\.engine"),
    "mask": re.compile(r"fixed_mask(\.[0-9a-f]{12})?\.png"),
}
"""What an artifact's path looks like: a document that names other files must not make us delete them."""

INTERIM = re.compile(r"(model\.fp(16|32)|fixed_mask)\.[0-9a-f]{12}\.(onnx|png)")
"""Names that only a commit uses, while it replaces a model or a mask."""

FIXED_MASK = "fixed_mask.png"

ArtifactKind = Literal["onnx", "engine", "mask"]
Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True)
class Artifact:
    """A file of the bundle.

    Args:
        path: relative to the bundle, with forward slashes.
        kind: `onnx`, `engine`, or `mask` for the picture of a mask that never changes.
        precision: `fp32` or `fp16`; None for a mask.
        sha256: of the content, 64 hexadecimal digits.
        bytes: size of the file.
        backend, backend_version, target, key: of an engine: the library and version that built it, the GPU it was
            built for (such as `sm89`), and the hash of everything it depends on.
        details: what the stage that made it records, such as the share of FP16 work.
    """

    path: str
    kind: ArtifactKind
    precision: Precision | None
    sha256: str
    bytes: int
    backend: str | None = None
    backend_version: str | None = None
    target: str | None = None
    key: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """The sizes a network takes, each as (smallest, best, largest); all equal where the size is static."""

    batch: tuple[int, int, int]
    height: tuple[int, int, int]
    width: tuple[int, int, int]


@dataclass(frozen=True)
class DeployedInterface:
    """What the deployed network takes and gives.

    Args:
        io: `image` or `tensor`, as in the design.
        size_multiple: height and width must be multiples of this many pixels.
        profile: sizes.
        inputs, outputs: names of the graph's tensors.
        updated_mask_output: which output of the network, the picture being 0, is the updated mask; None without one.
    """

    io: Literal["image", "tensor"]
    size_multiple: int
    profile: Profile
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    updated_mask_output: int | None = None


@dataclass(frozen=True)
class Bundle:
    """An opened bundle. Its files are checked when they are used, by `file`."""

    path: Path
    source: dict[str, Any]
    network: dict[str, Any]
    interface: DeployedInterface
    artifacts: tuple[Artifact, ...]

    @classmethod
    def open(cls, path: str | Path) -> "Bundle":
        """Read `bundle.json`.

        Raises:
            BundleError: if there is none, it is malformed, or of another schema version.
        """
        path = Path(path)
        document = path / DOCUMENT
        if not path.is_dir():
            kind = "is a file; a bundle is a directory" if path.exists() else "no such bundle; export-onnx makes one"
            raise BundleError(f"{path}: {kind}")
        try:
            values = json.loads(document.read_bytes())
        except FileNotFoundError:
            raise BundleError(f"{path}: is no bundle, it holds no {DOCUMENT}; export-onnx makes one") from None
        except (ValueError, OSError, RecursionError) as error:
            raise BundleError(f"{document}: cannot be read: {error}") from None
        return _parse(path, values)

    def to_document(self) -> dict[str, Any]:
        """The content of `bundle.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "created_by": f"inpaintrt {package_version('inpaintrt')}",
            "source": self.source,
            "network": self.network,
            "interface": asdict(self.interface),
            "artifacts": [
                {key: value for key, value in asdict(artifact).items() if value not in (None, {})}
                for artifact in self.artifacts
            ],
        }

    def precisions(self) -> tuple[str, ...]:
        """The precisions of the ONNX models."""
        return tuple(str(artifact.precision) for artifact in self.artifacts if artifact.kind == "onnx")

    def onnx(self, precision: str) -> Artifact:
        """The ONNX artifact of a precision.

        Raises:
            BundleError: naming the precisions there are.
        """
        for artifact in self.artifacts:
            if artifact.kind == "onnx" and artifact.precision == precision:
                return artifact
        there = ", ".join(self.precisions()) or "none"
        raise BundleError(f"{self.path}: holds no {precision} ONNX model (it holds: {there}); export it again")

    def fixed_mask(self) -> Artifact | None:
        """The mask of a bundle that was exported for one mask alone, and that takes none."""
        return next((artifact for artifact in self.artifacts if artifact.kind == "mask"), None)

    def engines(self) -> list[Artifact]:
        """The engine artifacts."""
        return [artifact for artifact in self.artifacts if artifact.kind == "engine"]

    def file(self, artifact: Artifact) -> bytes:
        """The content of an artifact, checked.

        Raises:
            BundleError: if the file is missing or its sha256 is not the recorded one.
        """
        path = self.path / artifact.path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}; build it again") from None
        found = hashlib.sha256(content).hexdigest()
        if found != artifact.sha256:
            raise BundleError(
                f"{path}: was altered or is damaged: its sha256 is {found[:12]}..., {DOCUMENT} said "
                f"{artifact.sha256[:12]}... when it was opened; if it was exported meanwhile, open it again"
            )
        return content


def describe_file(
    content: bytes, path: str, kind: ArtifactKind, precision: Precision | None = None, **entries: Any
) -> Artifact:
    """The `Artifact` entry for a file with this content."""
    return Artifact(path, kind, precision, hashlib.sha256(content).hexdigest(), len(content), **entries)


@contextlib.contextmanager
def stage(directory: Path, name: str, content: bytes) -> Iterator[Path]:
    """Write a temporary file in the bundle's directory, to be renamed into place by `commit`.

    The file is on disk (fsync) when the block begins and gone when it ends, unless it was renamed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(directory, name)
    try:
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            # Of a full disk the system does not say which file it was; the temporary name would mean nothing.
            raise OSError(error.errno, error.strerror, str(directory / name)) from None
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _temporary_path(directory: Path, name: str) -> Path:
    """A name that tells whose file it is, for `_left_by_dead_process`."""
    return directory / f".partial-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{name}"


@contextlib.contextmanager
def lock(directory: Path, name: str = LOCK, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold a lock file of the bundle against other processes.

    Raises:
        BundleError: if another process holds it for longer than `timeout` seconds.
    """
    from filelock import FileLock, Timeout  # readers need no lock

    directory.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(directory / name, timeout=timeout):
            yield
    except Timeout:
        raise BundleError(f"{directory / name}: held by another process for {timeout:.0f} s; try again later") from None


def commit(bundle: Bundle, staged: Mapping[str, Path]) -> None:
    """Make `bundle` the content of its directory; the caller holds `lock`.

    A file that the old document names cannot be replaced before the new document is in place, nor the new document
    written before its files are. So such a file first appears under an interim name, which the new document points to;
    then it takes its own name, and the document follows.

    Args:
        bundle: the new content.
        staged: for each new artifact's path, the temporary file that holds it.
    """
    directory = bundle.path
    old = {artifact.path for artifact in old_artifacts(directory)}
    interim: dict[str, str] = {}
    for artifact in bundle.artifacts:
        if artifact.path not in staged:
            continue
        name = artifact.path
        if name in old:
            pure = PurePosixPath(name)
            name = str(pure.with_name(f"{pure.stem}.{artifact.sha256[:12]}{pure.suffix}"))
            interim[artifact.path] = name
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        staged[artifact.path].replace(directory / name)
    if interim:
        pointing = [replace(a, path=interim.get(a.path, a.path)) for a in bundle.artifacts]
        _write_document(replace(bundle, artifacts=tuple(pointing)))
        for final, name in interim.items():
            _copy_over(directory / name, directory / final)
    _write_document(bundle)
    _remove_stale(bundle, old | set(interim.values()))


def discard_reports(directory: Path, names: Sequence[str] = REPORT_FILES) -> None:
    """Remove reports that are no longer true of a bundle."""
    for name in names:
        (directory / REPORTS / name).unlink(missing_ok=True)


def old_artifacts(directory: Path) -> Sequence[Artifact]:
    """The artifacts a directory's document names; none if there is no valid document."""
    try:
        return Bundle.open(directory).artifacts
    except BundleError:
        return ()


def _write_document(bundle: Bundle) -> None:
    content = json.dumps(bundle.to_document(), indent=2, allow_nan=False).encode() + b"\n"
    with stage(bundle.path, DOCUMENT, content) as temporary:
        temporary.replace(bundle.path / DOCUMENT)
    _sync_directory(bundle.path)


def _copy_over(source: Path, target: Path) -> None:
    """Give `source` a second name, replacing `target` by a rename; a copy where hard links are not possible."""
    temporary = _temporary_path(target.parent, target.name)
    try:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale(bundle: Bundle, candidates: set[str]) -> None:
    """Delete files the old document named and the new one does not, and what killed processes left."""
    named = {artifact.path for artifact in bundle.artifacts}
    left = {f"{ENGINES}/{path.name}" for path in (bundle.path / ENGINES).glob("*.engine")}
    left |= {path.name for path in bundle.path.iterdir() if INTERIM.fullmatch(path.name)}
    for name in (candidates | left) - named:
        (bundle.path / name).unlink(missing_ok=True)
    for cache in (bundle.path / ENGINES).glob("*.engine.cache"):
        if not cache.with_suffix("").exists():
            cache.unlink(missing_ok=True)
    for temporary in [*bundle.path.glob(".partial-*"), *(bundle.path / ENGINES).glob(".partial-*")]:
        if _left_by_dead_process(temporary):
            temporary.unlink(missing_ok=True)


def _left_by_dead_process(temporary: Path) -> bool:
    host = socket.gethostname()
    rest = temporary.name.removeprefix(f".partial-{host}-")
    process, _, _ = rest.partition("-")
    if rest == temporary.name or not process.isdigit() or os.name != "posix":
        return False  # elsewhere, asking after a process by signal would end it
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def holds_foreign_files(directory: Path) -> bool:
    """Whether a directory that is no bundle holds anything that this module did not put there."""
    ours = (DOCUMENT, LOCK, ENGINES, REPORTS, FIXED_MASK)
    return directory.is_dir() and any(
        entry.name not in ours and not entry.name.startswith((".partial-", "model.")) for entry in directory.iterdir()
    )


def _parse(path: Path, values: Any) -> Bundle:
    """Check every entry: a bundle may come from anywhere."""
    document = path / DOCUMENT
    try:
        if values["schema_version"] != SCHEMA_VERSION:
            raise BundleError(
                f"{document}: schema version {values['schema_version']}, this release reads {SCHEMA_VERSION}; "
                "export it again, or install the release that made it"
            )
        deployed = values["interface"]
        if deployed["io"] not in ("image", "tensor"):
            raise ValueError(f"io is {deployed['io']!r}")
        interface = DeployedInterface(
            io=deployed["io"],
            size_multiple=_positive(deployed["size_multiple"]),
            profile=Profile(**{axis: _limits(deployed["profile"][axis]) for axis in ("batch", "height", "width")}),
            inputs=tuple(map(str, deployed["inputs"])),
            outputs=tuple(map(str, deployed["outputs"])),
            updated_mask_output=_optional_positive(deployed["updated_mask_output"]),
        )
        network = dict(values["network"])
        sketch = network.get("sketch", False)
        if sketch is not ("sketch" in interface.inputs):
            raise ValueError(f"sketch is {json.dumps(sketch)}, but the inputs are {', '.join(interface.inputs)}")
        artifacts = tuple(_artifact(path, entry) for entry in values["artifacts"])
        return Bundle(path, dict(values["source"]), network, interface, artifacts)
    except (KeyError, TypeError, ValueError, AttributeError, OSError, RuntimeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is malformed: {error}"
        raise BundleError(f"{document}: {what}; export it again") from None


def _artifact(root: Path, entry: Mapping[str, Any]) -> Artifact:
    artifact = Artifact(**({"precision": None} | dict(entry)))
    digits = set("0123456789abcdef")
    precisions = (None,) if artifact.kind == "mask" else ("fp32", "fp16")
    if artifact.kind not in ARTIFACT_PATHS or artifact.precision not in precisions:
        raise ValueError(f"artifact of kind {artifact.kind!r} and precision {artifact.precision!r}")
    if not isinstance(artifact.sha256, str) or len(artifact.sha256) != 64 or not set(artifact.sha256) <= digits:
        raise ValueError(f"sha256 of {artifact.path} is {artifact.sha256!r}")
    if not isinstance(artifact.bytes, int) or isinstance(artifact.bytes, bool) or artifact.bytes < 0:
        raise ValueError(f"artifact {artifact.path!r} of {artifact.bytes!r} bytes")
    if artifact.kind == "engine" and not (artifact.backend and artifact.backend_version and artifact.target):
        raise ValueError(f"engine {artifact.path} without backend, version or target")
    texts = (artifact.path, artifact.backend, artifact.backend_version, artifact.target, artifact.key)
    if not all(isinstance(text, str | None) for text in texts) or not isinstance(artifact.details, dict):
        raise ValueError(f"artifact {artifact.path!r} with entries of wrong types")
    if not (root / artifact.path).resolve().is_relative_to(root.resolve()):
        raise ValueError(f"artifact path {artifact.path!r} leaves the bundle")
    if not ARTIFACT_PATHS[artifact.kind].fullmatch(artifact.path):
        raise ValueError(f"artifact path {artifact.path!r} is none that a bundle has")
    return artifact


def _positive(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a positive integer, got {value!r}")
    return value


def _optional_positive(value: Any) -> int | None:
    return None if value is None else _positive(value)


def _limits(values: Any) -> tuple[int, int, int]:
    low, best, high = (_positive(value) for value in values)
    if not low <= best <= high:
        raise ValueError(f"expected smallest <= best <= largest, got {values}")
    return low, best, high

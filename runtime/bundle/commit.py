"""Writes a bundle: files are staged, checked, renamed, and one rename of `bundle.json` commits them.

`bundle.json` is the single point of commit: at every moment it names files that exist with the content it says. So a
process killed at any moment leaves the old bundle or the new one.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..errors import BundleError
from ..files import remove, rename_over, sync_directory
from .document import DOCUMENT, ENGINES, FIXED_MASK, REPORTS, Artifact
from .opened import Bundle

REPORT_FILES = ("parity.json", "report.html", "report.md", "latency.json")
LOCK = ".lock"
LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process to finish its commit, which takes milliseconds."""

INTERIM = re.compile(r"(model\.fp(16|32)|fixed_mask)\.[0-9a-f]{12}\.(onnx|png)")
"""Names that only a commit uses, while it replaces a model or a mask."""


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
        rename_over(staged[artifact.path], directory / name)
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
        rename_over(temporary, bundle.path / DOCUMENT)
    sync_directory(bundle.path)


def _copy_over(source: Path, target: Path) -> None:
    """Give `source` a second name, replacing `target` by a rename; a copy where hard links are not possible."""
    temporary = _temporary_path(target.parent, target.name)
    try:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        rename_over(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(bundle: Bundle, candidates: set[str]) -> None:
    """Delete files the old document named and the new one does not, and what killed processes left."""
    named = {artifact.path for artifact in bundle.artifacts}
    left = {f"{ENGINES}/{path.name}" for path in (bundle.path / ENGINES).glob("*.engine")}
    left |= {path.name for path in bundle.path.iterdir() if INTERIM.fullmatch(path.name)}
    for name in (candidates | left) - named:
        remove(bundle.path / name)
    for plan in (bundle.path / ENGINES).glob("*.engine.plan.json"):
        if f"{ENGINES}/{plan.name}" not in named:
            remove(plan)
    for cache in (bundle.path / ENGINES).glob("*.engine.cache"):
        if not cache.with_suffix("").exists():
            remove(cache)
    for temporary in [*bundle.path.glob(".partial-*"), *(bundle.path / ENGINES).glob(".partial-*")]:
        if _left_by_dead_process(temporary):
            remove(temporary)


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
    """Whether a directory that is not a bundle holds anything that this module did not put there."""
    ours = (DOCUMENT, LOCK, ENGINES, REPORTS, FIXED_MASK)
    return directory.is_dir() and any(
        entry.name not in ours and not entry.name.startswith((".partial-", "model.")) for entry in directory.iterdir()
    )

"""Where images, masks and results are: a local folder, S3, Google Cloud Storage, or whatever else pyarrow opens."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime.errors import ImageError, UsageError
from ...runtime.images import SUFFIXES

FILLED, PARTIAL, MANIFEST = "filled", "partial", "manifest"


@dataclass(frozen=True)
class Storage:
    """Reads images and masks, and writes results; it goes to the workers, so it holds addresses and opens them there.

    Args:
        images, masks: URI or path of a folder; `masks` may be one file for all images, or None.
        output: URI or path of a folder.
    """

    images: str
    masks: str | None
    output: str

    def read_image(self, path: str) -> bytes:
        """The content of an image by its path inside `images`."""
        return _read(self.images, path)

    def read_mask(self, path: str) -> bytes | None:
        """The content of a mask by its path inside `masks`, which is empty for one mask for all; None without masks."""
        return None if self.masks is None else _read(self.masks, path)

    def write_result(self, name: str, content: bytes) -> None:
        """Write a result whole or not at all; a second time replaces it."""
        write_whole(self.output, f"{FILLED}/{name}.png", content)


def open_folder(uri: str) -> tuple[Any, str]:
    """The pyarrow file system of a URI or local path, and the path in it.

    Raises:
        UsageError: if it is of no known kind.
    """
    import pyarrow
    from pyarrow import fs  # only where files are

    try:
        if "://" in uri:
            filesystem, path = fs.FileSystem.from_uri(uri)
            return filesystem, path
        return fs.LocalFileSystem(), str(Path(uri).resolve())
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{uri}: cannot be opened: {error}; expected a folder, s3://, gs:// or file://") from None


def below(uri: str, path: str) -> str:
    """The address of something below a folder; options of a URI, such as `?endpoint_override=HOST:PORT`, stay."""
    place, mark, options = uri.partition("?") if "://" in uri else (uri, "", "")
    return f"{place.rstrip('/')}/{path}{mark}{options}"


def list_files(uri: str, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, str]:
    """The files below a folder by name, which is the path inside it without the suffix; none if it is missing.

    Raises:
        UsageError: if two files have one name, or the folder cannot be listed.
    """
    from pyarrow import fs

    filesystem, folder = open_folder(uri)
    try:
        entries = filesystem.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
    except OSError as error:
        raise UsageError(f"{uri}: cannot be listed: {error}") from None
    found: dict[str, str] = {}
    for entry in entries:
        path = entry.path[len(folder) :].lstrip("/")
        if entry.type != fs.FileType.File or not path.lower().endswith(suffixes) or entry.base_name.startswith("."):
            continue
        name = path.rpartition(".")[0]
        if name in found:
            raise UsageError(f"{uri}: {found[name]} and {path} have one name; their results would too")
        found[name] = path
    return found


def is_file(uri: str) -> bool:
    """Whether there is a file of this address."""
    from pyarrow import fs

    filesystem, path = open_folder(uri)
    return bool(filesystem.get_file_info(path).type == fs.FileType.File)


def is_inside(uri: str, folder: str) -> bool:
    """Whether an address is that of a folder, or of something below it."""
    (kind, path), (other, above) = ((found.type_name, at) for found, at in map(open_folder, (uri, folder)))
    return kind == other and f"{path}/".startswith(f"{above.rstrip('/')}/")


def write_whole(uri: str, path: str, content: bytes) -> None:
    """Write a file below a folder whole or not at all.

    An object store shows an object when it is complete; in a file system the file is renamed into place.
    """
    filesystem, folder = open_folder(uri)
    target = f"{folder}/{path}"
    if filesystem.type_name != "local":
        with filesystem.open_output_stream(target) as stream:
            stream.write(content)
        return
    staged = Path(folder) / PARTIAL / uuid.uuid4().hex
    for parent in (staged.parent, Path(target).parent):
        parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.write_bytes(content)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


@contextlib.contextmanager
def partial_files(uri: str) -> Iterator[None]:
    """What killed workers left half-written is gone when the block ends."""
    yield
    filesystem, folder = open_folder(uri)
    if filesystem.type_name == "local" and (Path(folder) / PARTIAL).is_dir():
        filesystem.delete_dir(f"{folder}/{PARTIAL}")


def _read(uri: str, path: str) -> bytes:
    filesystem, folder = open_folder(uri)
    try:
        with filesystem.open_input_file(f"{folder}/{path}" if path else folder) as file:
            content: bytes = file.read()
    except OSError as error:
        raise ImageError(f"{path or uri}: cannot be read: {error}") from None
    if not content:
        raise ImageError(f"{path or uri}: is empty")
    return content

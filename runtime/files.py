"""Files that are there as a whole or not at all."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

ATTEMPTS = 20
PAUSE = 0.01
"""How often, and after how many seconds, Windows is asked again to replace a file that somebody reads just now."""


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """The name of a file beside `path`, to write to, that is renamed over `path` when the block ends.

    It has the suffix of `path`. If the block raises, nothing of it stays, and `path` is as it was.

    Raises:
        OSError: naming `path`, if it cannot be written.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        rename_over(partial, path)
    except OSError as error:
        if error.filename not in (None, str(partial), partial):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside `path`, bring it to the disk (fsync), and rename it over `path`.

    Whatever happens in between, `path` holds the old content or the new one.

    Raises:
        OSError: naming `path`, if it cannot be written; what was there stays.
    """
    with written_beside(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def rename_over(source: Path, target: Path) -> None:
    """Rename a file over another one, in one step. Windows refuses while somebody has `target` open: then a few times.

    Raises:
        OSError: if that is not possible; `target` is what it was.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            source.replace(target)
            return
        except PermissionError:
            if os.name == "posix" or not left:
                raise
            time.sleep(PAUSE)


def remove(path: Path) -> None:
    """Remove a file, if it is there. Windows keeps one that somebody has open; that is no error.

    Raises:
        OSError: if that is not possible for another reason.
    """
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if os.name == "posix":
            raise


def sync_directory(directory: Path) -> None:
    """Bring the names of a directory to the disk, where the system can."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

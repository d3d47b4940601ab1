"""Runs pieces of the package as they would run on Windows, as far as another system can pretend.

`python -X warn_default_encoding -m tests.as_on_windows BUNDLE FOLDER`, in a process of its own. Hidden are the modules
and functions that Windows lacks; a file that is open cannot be replaced or removed, and a directory cannot be opened; a
text file without an encoding and a signal to a process are errors. Prints one line for each piece that works.
"""

import contextlib
import importlib
import os
import pathlib
import signal
import socket
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "readline")
OF_OTHERS = ("numpy", "onnxruntime", "PIL.Image", "typer", "rich.table", "rich.console", "rich.progress", "filelock")
OF_POSIX = {
    os: ("fork", "forkpty", "getuid", "geteuid", "getgid", "getpgid", "getloadavg", "sched_getaffinity", "mkfifo",
         "nice", "killpg", "setsid", "chown", "statvfs", "uname", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"),
    signal: ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "alarm", "setitimer",
             "pthread_sigmask"),
    socket: ("AF_UNIX",),
}  # fmt: skip


class Posix(types.SimpleNamespace):
    """The module `os` for `pathlib`, which cannot make paths of Windows here."""

    name = "posix"

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def is_open(path: str | os.PathLike[str]) -> bool:
    """Whether this process has a file open."""
    wanted = os.path.realpath(path)
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) == wanted:
                return True
    return False


def refuse_open_files(function: Callable[..., Any], which: int) -> Callable[..., Any]:
    """A function of `os` that fails if an argument is a file that is open."""

    def guarded(*arguments: Any, **named: Any) -> Any:
        if is_open(arguments[which]):
            raise PermissionError(13, "the file is in use by another process", os.fspath(arguments[which]))
        return function(*arguments, **named)

    return guarded


def pretend() -> None:
    """Hide what Windows lacks. Libraries of others are loaded first: they look at the real system."""
    for name in OF_OTHERS:
        importlib.import_module(name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in OF_POSIX.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    open_file = os.open

    def open_no_directory(path: Any, *arguments: Any, **named: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return open_file(path, *arguments, **named)

    def end_process(*_: int) -> None:
        raise AssertionError("os.kill ends processes on Windows")

    os.open, os.kill = open_no_directory, end_process
    os.replace = os.rename = refuse_open_files(os.replace, 1)
    os.unlink = os.remove = refuse_open_files(os.unlink, 0)
    pathlib.os = Posix()  # type: ignore[attr-defined]
    os.name = "nt"
    warnings.filterwarnings("error", category=EncodingWarning, module="inpaintrt")


@contextlib.contextmanager
def opened(path: Path, seconds: float) -> Iterator[None]:
    """A reader that has a file open for some time of the block."""
    file = path.open("rb")
    timer = threading.Timer(seconds, file.close)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        file.close()


def check_commits(path: Path) -> str:
    """A commit waits for a short reader; a long one makes it fail, and the bundle stays whole."""
    from inpaintrt.runtime.bundle import Bundle, commit, lock, stage

    bundle = Bundle.open(path)
    model = next(each for each in bundle.artifacts if each.precision == "fp32")
    content = (path / model.path).read_bytes()
    for held in ("bundle.json", model.path):
        for seconds, wanted in ((0.05, True), (5.0, False)):
            start = time.perf_counter()
            with stage(path, "model", content) as staged, lock(path), opened(path / held, seconds):
                try:
                    commit(bundle, {model.path: staged})
                    done = True
                except PermissionError:
                    done = False
            assert done == wanted and time.perf_counter() - start < 4.0, (held, seconds, done)
            for artifact in Bundle.open(path).artifacts:
                assert (path / artifact.path).stat().st_size == artifact.bytes
    with stage(path, "model", content) as staged, lock(path):
        commit(bundle, {model.path: staged})
    left = {each.name for each in path.iterdir()} - {".lock"}
    assert left == {"bundle.json", *(each.path for each in bundle.artifacts)}, left
    return "commits"


def check_command(path: Path, folder: Path) -> str:
    """The command fills an image, with names that the console's code page lacks."""
    import numpy as np
    from PIL import Image

    from inpaintrt.runtime.command import main

    place = folder / "修復"
    place.mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(place / "image.png")
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(place / "mask.png")
    named = [f"--{name}={place / name}.png" for name in ("image", "mask")]
    for words, code in (([*named, f"-o{place / 'out.png'}", "--json"], 0), ([*named, f"-o{place}/no/out.txt"], 2)):
        sys.argv = ["inpaint", str(path), "--device=cpu", *words]
        try:
            main()
        except SystemExit as end:
            assert end.code == code, (words, end.code)
    assert Image.open(place / "out.png").size == (64, 64)
    return "command"


def check_rest() -> str:
    """What else asks the system for something: hardware, signals of a training run."""
    from inpaintrt.training.signals import stop_on_signals
    from inpaintrt.validation.latency.hardware import describe_hardware

    assert describe_hardware()["load"] is None
    with stop_on_signals() as request:
        request.stepping = True
        signal.raise_signal(signal.SIGINT)
        assert request.number == signal.SIGINT
    return "hardware and signals"


def main() -> None:
    """Run all of it on a copy of a bundle, and in an empty folder."""
    pretend()
    bundle, folder = Path(sys.argv[1]), Path(sys.argv[2])
    done = (check_commits(bundle), check_command(bundle, folder), check_rest())
    sys.stdout.write("\n".join(done) + "\n")


if __name__ == "__main__":
    main()

"""The commands as a user runs them."""

import contextlib
import importlib
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

Done = subprocess.CompletedProcess[str]

COMMANDS = {
    "export-onnx": "inpaintrt.export.command",
    "build-engines": "inpaintrt.engines.command",
    "validate-engines": "inpaintrt.validation.command",
    "inpaint": "inpaintrt.runtime.command",
    "train-inpainter": "inpaintrt.training.command",
    "inpaint-page": "inpaintrt.serving.page.command",
    "export-triton": "inpaintrt.serving.triton.command",
    "inpaint-batch": "inpaintrt.serving.batch.command",
}
FOREIGN = Path(__file__).parent.parent / "benchmarks" / "networks" / "partial_conv.py"
"""Networks for `--network`."""


def program(command: str) -> str:
    """Python code that runs a command with the arguments of its process."""
    return f"import sys; sys.argv[0] = {command!r}; from {COMMANDS[command]} import main; main()"


def run(command: str, *arguments: object, code: int = 0) -> Done:
    """Run a command in this process, which saves the seconds that importing torch takes, and check its exit code."""
    out, err = io.StringIO(), io.StringIO()
    argv = [command, *map(str, arguments)]
    main = importlib.import_module(COMMANDS[command]).main
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", argv),
    ):
        try:
            main()
        except SystemExit as end:
            found = end.code or 0
    done = subprocess.CompletedProcess(argv, found, out.getvalue(), err.getvalue())
    assert done.returncode == code, done.stderr + done.stdout
    return done


def run_process(command: str, *arguments: object, code: int = 0, **options: object) -> Done:
    """Run a command in a process of its own, and check its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", program(command), *map(str, arguments)],
        capture_output=True, text=True, check=False, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    return done


def refused(command: str, *arguments: object, **options: object) -> str:
    """The one line of a command that could not run; with options of `subprocess.run`, in a process of its own."""
    start = run_process if options else run
    done = start(command, *arguments, code=2, **options)
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: ")
    assert done.stderr.count("error") == 1, done.stderr
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr
    return last

"""`train-inpainter` as a process: exit codes, one line, signals, and kills at any moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import same, weights

PROGRAM = "import sys; sys.argv[0] = 'train-inpainter'; from inpaintrt.training.command import main; main()"

GATED_YAML = """
network: deepfill_v2
arguments: {width: 4}
adversary: {weight: 0.1, width: 2, start: 1}
"""


def start(*arguments: object, tmp: Path | None = None) -> "subprocess.Popen[str]":
    environment = os.environ | ({"TMPDIR": str(tmp)} if tmp is not None else {})
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    _, shown = process.communicate(timeout=600)
    assert "Traceback" not in shown, shown
    return process.returncode, shown.splitlines()


def test_what_is_wrong_is_said_in_one_line(write_yaml: Callable[[str], Path], tmp_path: Path) -> None:
    code, lines = finish(start(write_yaml("gradient_clip: 0"), "-o", tmp_path / "a.ckpt"))
    assert code == 2
    assert lines == [f"error: {tmp_path / 'run.yaml'}: gradient_clip is 0.0; expected a number above 0"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_state_and_sets_the_exit_code(
    write_yaml: Callable[[str], Path], tmp_path: Path, number: signal.Signals
) -> None:
    long = "stages: [{steps: 100000, crop: 16, batch: 2}]\nsave_every: 3\nworkers: 1"
    process = start(write_yaml(long), "-o", tmp_path / "a.ckpt")
    wait_for(tmp_path / "a-training" / "state" / "last.ckpt")
    os.killpg(process.pid, number)  # as a terminal and most job systems do: its workers get it too
    code, lines = finish(process)
    assert code == 128 + number
    assert lines[-1].startswith(f"stopped by {number.name}: the state of step ")
    assert lines[-1].endswith("of 100000 is saved; go on with --resume")


def wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not appear")


@pytest.mark.parametrize(
    ("changes", "steps", "kills"),
    [
        ("", 20, 3),
        pytest.param("", 400, 50, marks=pytest.mark.long),
        pytest.param(GATED_YAML, 400, 50, marks=pytest.mark.long),
    ],
    ids=["partial, 3 kills", "partial, 50 kills", "gated with its adversary, 50 kills"],
)
def test_a_run_killed_at_any_moment_ends_as_one_that_was_not(
    write_yaml: Callable[[str], Path], tmp_path: Path, changes: str, steps: int, kills: int
) -> None:
    config = write_yaml(f"{changes}\nstages: [{{steps: {steps}, crop: 32, batch: 1}}]\nsave_every: 1\nworkers: 1")
    elsewhere = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.kills", str(config), str(tmp_path), str(kills)],
        env=os.environ | {"TMPDIR": elsewhere}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    word, number = done.stdout.split()
    assert word == "killed"
    assert int(number) >= kills // 2  # on a fast machine a run may end before its kill
    assert same(weights(tmp_path / "whole.ckpt"), weights(tmp_path / "killed.ckpt"))

"""What a run shows: mean losses, speed and time left, on one line of 80 columns."""

import io
import sys
from pathlib import Path

import pytest

from inpaintrt.training.config import Stage
from inpaintrt.training.progress import RunProgress, duration
from tests.training.conftest import make_config


def test_lines_show_means_and_the_time_of_the_whole_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("inpaintrt.training.progress.time.monotonic", lambda: now[0])
    stages = (Stage(4, crop=16, batch=2), Stage(10, crop=32, batch=1))
    shown = RunProgress(make_config(Path(), stages=stages), 0)
    for loss in (3.0, 1.0):
        now[0] += 2.0
        shown.add({"loss": loss, "hole": loss / 2}, 2, 16)
    shown.line()
    # 512 pixels a step in 2 s; ahead are 2 such steps and 10 of 1024 pixels.
    assert capsys.readouterr().err == "step 2 of 14: mean loss 2, 1.0 images/s, 0:44 left\n"
    assert shown.take_means() == {"loss": 2.0, "hole": 1.0}
    assert shown.take_means() == {}


def test_a_minute_without_a_line_brings_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("inpaintrt.training.progress.time.monotonic", lambda: now[0])
    shown = RunProgress(make_config(Path()), 0)
    for _ in range(3):
        now[0] += 25.0
        shown.add({"loss": 1.0}, 2, 16)
    assert capsys.readouterr().err.startswith("step 3 of 5: mean loss 1")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stages = (Stage(100000, crop=16, batch=2),)
    shown = RunProgress(make_config(Path(), stages=stages), 12344)
    shown.add({"loss": 0.123456, "hole": 1.0}, 2, 16)
    shown.close()
    last = terminal.getvalue().replace("\r", "\n").split("\n")
    plain = [line for line in (strip(each) for each in last) if "step 12345 of 100000" in line][-1]
    assert len(plain) <= 80
    for part in ("loss 0.123", "images/s", "left"):
        assert part in plain


def strip(line: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line)


def test_durations() -> None:
    assert [duration(each) for each in (5, 65, 3600, 360000)] == ["0:05", "1:05", "1:00:00", "100:00:00"]

"""Runs: the same when stopped and resumed, left alone when finished, and ended in one line when something fails."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inpaintrt.runtime.errors import UsageError
from inpaintrt.runtime.files import replace_file
from inpaintrt.training import recipe
from inpaintrt.training.config import Stage
from inpaintrt.training.recipe import train
from inpaintrt.training.signals import Stopped
from inpaintrt.training.state import read_state
from inpaintrt.training.task import InpaintingTask, NotFiniteError
from tests.training.conftest import GATED, make_config, same, weights


def stop_at(monkeypatch: pytest.MonkeyPatch, stops: list[int], taken: list[int], number: int | None = None) -> None:
    """Raise at the beginning of a step, once for each of `stops`; or send a signal to this process."""
    step = InpaintingTask.step

    def stepping(self: InpaintingTask, image: Tensor, mask: Tensor, at: int, *rest: Any) -> dict[str, float]:
        if len(taken) > 0 or at == 0:  # the trials before the first step are not counted
            if at in stops:
                stops.remove(at)
                if number is None:
                    raise RuntimeError("stopped")
                os.kill(os.getpid(), number)
            taken.append(at)
        return step(self, image, mask, at, *rest)

    monkeypatch.setattr(recipe, "check_stages", lambda *_: None)
    monkeypatch.setattr(InpaintingTask, "step", stepping)


@pytest.mark.parametrize("changes", [{}, GATED], ids=["partial", "gated with its adversary"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    config = make_config(photos, **changes)
    train(config, tmp_path / "whole.ckpt")
    taken: list[int] = []
    stop_at(monkeypatch, [4], taken)  # in the middle of the second stage, past the state of step 4
    with pytest.raises(RuntimeError, match="stopped"):
        train(config, tmp_path / "stopped.ckpt")
    assert not (tmp_path / "stopped.ckpt").exists()
    train(make_config(photos, **changes, save_every=1, workers=1), tmp_path / "stopped.ckpt", resume=True)
    assert taken == [0, 1, 2, 3, 4]
    assert same(weights(tmp_path / "whole.ckpt"), weights(tmp_path / "stopped.ckpt"))
    states = [read_state(tmp_path / f"{name}-training" / "state" / "last.ckpt") for name in ("whole", "stopped")]
    assert same(states[0].task, states[1].task)
    assert not same(
        states[0].averaged, {key[8:]: value for key, value in states[0].task.items() if key[:8] == "network."}
    )


@pytest.mark.parametrize("number", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_a_signal_saves_the_state(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    config = make_config(photos, save_every=100)
    train(config, tmp_path / "whole.ckpt")
    taken: list[int] = []
    stop_at(monkeypatch, [1], taken, number)
    with pytest.raises(Stopped, match="the state of step 2 of 5 is saved; go on with --resume") as stopped:
        train(config, tmp_path / "a.ckpt")
    assert stopped.value.exit_code == 128 + number
    assert read_state(tmp_path / "a-training" / "state" / "last.ckpt").step == 2
    train(config, tmp_path / "a.ckpt", resume=True)
    assert taken == [0, 1, 2, 3, 4]
    assert same(weights(tmp_path / "whole.ckpt"), weights(tmp_path / "a.ckpt"))


def test_a_finished_run_stays_as_it_is(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, output = make_config(photos), tmp_path / "a.ckpt"
    train(config, output)
    shown = capsys.readouterr().err
    assert "a.ckpt: written" in shown
    assert f"next: export-onnx {output} -o {tmp_path / 'a'} --size 256x256" in shown
    before = output.read_bytes(), output.stat().st_mtime_ns
    train(config, output, resume=True)
    assert "this run of 5 steps is finished, and the file stays as it is" in capsys.readouterr().err
    assert (output.read_bytes(), output.stat().st_mtime_ns) == before
    output.unlink()  # as after a kill between the last state and the checkpoint
    train(config, output, resume=True)
    assert output.read_bytes() == before[0]


def test_a_state_is_not_discarded_silently(photos: Path, tmp_path: Path) -> None:
    train(make_config(photos), tmp_path / "a.ckpt")
    with pytest.raises(
        UsageError, match=r"last\.ckpt: holds the state of a run; go on from it with --resume, or remove"
    ):
        train(make_config(photos), tmp_path / "a.ckpt")
    with pytest.raises(UsageError, match=r"does not fit the configuration: seed was 0, is 1"):
        train(make_config(photos, seed=1), tmp_path / "a.ckpt", resume=True)
    fewer = (Stage(steps=2, learning_rate=1e-3, crop=16, batch=2),)
    with pytest.raises(
        UsageError, match=r"number of stages was 2, is 1; .*stages\[0\]\.masks\.lattice was 0\.2, is 0\.0"
    ):
        train(make_config(photos, stages=fewer), tmp_path / "a.ckpt", resume=True)
    with pytest.raises(UsageError, match=r"arguments\.widths was \[4, 4\], is \[4, 8\]"):
        train(make_config(photos, arguments={"widths": (4, 8)}), tmp_path / "a.ckpt", resume=True)


def test_a_loss_that_is_not_finite_ends_the_run(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = InpaintingTask.judge

    def judging(self: InpaintingTask, *values: Any) -> tuple[Tensor, dict[str, Tensor]]:
        judging.calls += 1  # type: ignore[attr-defined]
        loss, terms = judge(self, *values)
        return (loss * float("nan") if judging.calls == 4 else loss), terms  # type: ignore[attr-defined]

    judging.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(recipe, "check_stages", lambda *_: None)
    monkeypatch.setattr(InpaintingTask, "judge", judging)
    with pytest.raises(
        NotFiniteError, match=r"step 4 of 5: the loss is not finite: loss nan; the state before is kept in"
    ):
        train(make_config(photos), tmp_path / "a.ckpt")
    assert not (tmp_path / "a.ckpt").exists()
    state = read_state(tmp_path / "a-training" / "state" / "last.ckpt")
    assert state.step == 2
    assert all(torch.isfinite(value).all() for value in state.averaged.values())


def test_a_full_disk_keeps_the_state_before(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def full_after_the_first(path: Path, content: bytes) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        replace_file(path, content)

    monkeypatch.setattr("inpaintrt.training.state.replace_file", full_after_the_first)
    with pytest.raises(
        UsageError, match=r"the state of step 4 cannot be written: No space left on device; the state bef"
    ):
        train(make_config(photos), tmp_path / "a.ckpt")
    assert read_state(written[0]).step == 2
    monkeypatch.undo()
    monkeypatch.setattr("inpaintrt.export.checkpoints.own.replace_file", full_after_the_first)
    with pytest.raises(
        UsageError, match=r"a\.ckpt: cannot be written: No space left .* is kept, save it with --resume"
    ):
        train(make_config(photos), tmp_path / "a.ckpt", resume=True)
    monkeypatch.undo()
    train(make_config(photos), tmp_path / "a.ckpt", resume=True)
    assert (tmp_path / "a.ckpt").is_file()


def test_two_runs_do_not_share_a_state(photos: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "a-training").mkdir()
    with FileLock(tmp_path / "a-training" / "lock"), pytest.raises(UsageError, match="another run works there"):
        train(make_config(photos), tmp_path / "a.ckpt")


def test_a_batch_scales_the_first_weights_of_a_run(photos: Path, tmp_path: Path) -> None:
    short = (Stage(steps=1, crop=32, batch=1),)
    changes: dict[str, Any] = GATED | {"stages": short, "adversary": make_config(photos).adversary}
    for name, scaled in (("a", True), ("b", False)):
        train(make_config(photos, **changes, scale_by_data=scaled), tmp_path / f"{name}.ckpt")
    assert not same(weights(tmp_path / "a.ckpt"), weights(tmp_path / "b.ckpt"))


def test_a_worker_that_was_ended_is_said_in_one_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any) -> dict[str, float]:
        raise RuntimeError("DataLoader worker (pid 5) is killed by signal: Killed.")

    monkeypatch.setattr(recipe, "check_stages", lambda *_: None)
    monkeypatch.setattr(InpaintingTask, "step", ended)
    with pytest.raises(UsageError, match="step 1 of 5: a process that prepares crops was ended from outside"):
        train(make_config(photos), tmp_path / "a.ckpt")

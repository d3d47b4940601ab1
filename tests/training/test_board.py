"""What TensorBoard shows of a run."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inpaintrt.export import Interface
from inpaintrt.runtime.errors import UsageError
from inpaintrt.training.board import Board
from inpaintrt.training.held_out import held_out_batch
from inpaintrt.training.network import make_network
from tests.training.conftest import make_config


def test_scalars_and_held_out_images_are_shown(tmp_path: Path) -> None:
    network, interface = make_network(make_config(tmp_path))
    for begin in (0, 5):  # stopped after step 7, and resumed from step 5
        board = Board(tmp_path, begin, interface, 32)
        for step in (begin + 1, begin + 2):
            board.scalars(step, {"loss": float(begin), "learning_rate": 0.1})
        board.held_out(begin + 2, network.eval())
        board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert {"loss", "learning_rate", "held-out/psnr_hole"} <= set(events.Tags()["scalars"])
    assert [(each.step, each.value) for each in events.Scalars("loss")] == [(1, 0), (2, 0), (6, 5), (7, 5)]
    images = events.Images("held-out: original, seen, filled, composite")
    assert [each.step for each in images] == [2, 7]
    assert (images[0].width, images[0].height) == (4 * 32, 4 * 32)


def test_the_held_out_batch_is_always_the_same() -> None:
    first, second = held_out_batch(32), held_out_batch(32)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert first[0].shape == (4, 3, 32, 32)
    assert 0.2 <= 1 - first[1].mean().item() <= 0.3


def test_a_full_disk_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.compat.tensorflow_stub.io.gfile import LocalFileSystem

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = threading.excepthook
    board = Board(tmp_path / "tensorboard", 0, Interface(), 16)
    monkeypatch.setattr(LocalFileSystem, "_write", full)
    with pytest.raises(UsageError, match=r"tensorboard: TensorBoard's files cannot be written: No space left"):
        for step in range(2000):
            board.scalars(step, {"loss": 1.0})
            time.sleep(0.001)
    with pytest.raises(UsageError):
        board.close()
    assert threading.excepthook is before
    assert capfd.readouterr().err == ""

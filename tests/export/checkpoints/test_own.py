"""Checkpoints of this project that were written by earlier releases."""

from pathlib import Path

import pytest
import torch

from inpaintrt.export.checkpoints import load_checkpoint, save_checkpoint
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime.errors import CheckpointError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = PConvUNet(widths=(4, 6))
    save_checkpoint(tmp_path / "a.ckpt", network, network.interface(image_range=(-1.0, 1.0)))
    return tmp_path / "a.ckpt"


def with_smooth_base(path: Path, value: bool) -> Path:
    content = torch.load(path, weights_only=True)
    content["arguments"]["smooth_base"] = value
    torch.save(content, path)
    return path


def test_a_checkpoint_that_says_it_has_no_smooth_base_is_read(checkpoint: Path) -> None:
    before = load_checkpoint(checkpoint)
    after = load_checkpoint(with_smooth_base(checkpoint, False))
    assert after.arguments == before.arguments
    assert all(
        torch.equal(value, after.network.state_dict()[key]) for key, value in before.network.state_dict().items()
    )


def test_a_checkpoint_with_a_smooth_base_is_refused_by_name(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"smooth_base.*no longer has; train it again"):
        load_checkpoint(with_smooth_base(checkpoint, True))

"""The network a run begins with: new, or a checkpoint's."""

from pathlib import Path
from typing import Any

import pytest
import torch

from inpaintrt.export.checkpoints import load_checkpoint, save_checkpoint
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime.errors import CheckpointError, UsageError
from inpaintrt.training.config import Stage
from inpaintrt.training.network import make_network
from tests.training.conftest import GATED, make_config, same


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    network = PConvUNet(widths=(4, 4))
    save_checkpoint(tmp_path / "first.ckpt", network, network.interface(mean=(0.5,) * 3, std=(0.2,) * 3))
    return tmp_path / "first.ckpt"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 3}, "unexpected keyword argument 'depth'"),
        ({"widths": []}, "0 widths need as many kernels and strides"),
        ({"widths": [0, 4]}, r"widths are \[0, 4\]; expected whole numbers, each above 0"),
        ({"widths": [4.5, 4]}, "widths are .* expected whole numbers"),
        (
            {"widths": "wide", "kernels": [3] * 4, "strides": [2] * 4},
            "widths are .* expected whole numbers, each above",
        ),
        ({"widths": [200_000, 4]}, "it would have 360,062,400,092 weights; expected at most 500,000,000"),
        ({"widths": 4}, "PConvUNet does not take"),
        ({"widths": [4, 4], "strides": [3, 2]}, r"strides are \[3, 2\]; expected whole numbers, each 1 or 2"),
        ({"widths": [4, 4], "kernels": [4, 3]}, r"kernels are \[4, 3\]; expected whole numbers, each odd"),
        ({"widths": [4, 4], "kernels": [3]}, "2 widths need as many kernels and strides, got 1 and 2"),
        ({"in_channels": -3}, "PConvUNet does not take"),
        ({"smooth_base": True}, "unexpected keyword argument 'smooth_base'"),
    ],
)
def test_arguments_that_the_u_net_does_not_take_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"arguments: .*{message}"):
        make_network(make_config(Path(), arguments=arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 2}, "width is 2; expected a whole number of at least 4"),
        ({"width": "16"}, "DeepFillV2 does not take"),
        ({"width": 4, "padding": "mirror"}, "padding is 'mirror'; expected one of zeros, same, reflect"),
        ({"width": 4, "attention_activation": "gelu"}, "attention_activation is 'gelu'; expected one of elu"),
        ({"width": 4, "attention": {"fuse_scores": True}}, "unexpected keyword argument 'fuse_scores'"),
        ({"width": 4, "attention": 3}, "DeepFillV2 does not take"),
    ],
)
def test_arguments_that_deepfill_does_not_take_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_network(make_config(Path(), network="deepfill_v2", arguments=arguments))


def test_a_crop_that_is_no_multiple_of_the_networks_is_refused() -> None:
    with pytest.raises(UsageError, match=r"stages\[1\]\.crop is 30; expected a multiple of 4, .* such as 28"):
        make_network(make_config(Path(), stages=(Stage(1, crop=32), Stage(1, crop=30))))


def test_fine_tuning_starts_from_a_checkpoint(checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    network, interface = make_network(make_config(Path(), start_from=checkpoint, arguments={}))
    assert interface == loaded.interface
    assert same(loaded.network.state_dict(), network.state_dict())
    assert network.training


def test_fine_tuning_may_change_the_network(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = make_config(Path(), start_from=checkpoint, arguments={"widths": [4, 8]})
    network, interface = make_network(changed)
    assert "encoder.1.conv.conv.weight" in capsys.readouterr().err
    before, after = load_checkpoint(checkpoint).network.state_dict(), network.state_dict()
    assert after["encoder.1.conv.conv.weight"].shape[0] == 8
    assert interface.size_multiple == network.size_multiple
    kept = [key for key in before if after[key].shape == before[key].shape]
    assert "encoder.0.conv.conv.weight" in kept
    assert all(torch.equal(before[key], after[key]) for key in kept)


def test_a_start_that_cannot_be_trained_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"network is 'deepfill_v2', but start_from, .*, holds a pconv_unet"):
        make_network(make_config(Path(), start_from=checkpoint, network="deepfill_v2"))
    with pytest.raises(CheckpointError, match=r"start_from: .*none\.ckpt: no such file"):
        make_network(make_config(Path(), start_from=tmp_path / "none.ckpt"))


def test_a_gated_network_is_called_in_its_own_way() -> None:
    _, interface = make_network(make_config(Path(), **GATED))
    assert (interface.image_range, interface.mask_polarity) == ((-1.0, 1.0), "hole")

"""The two layouts of nipponjo's port of DeepFillv2."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.networks.deepfill import Port, random_images, trained_scale
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime.errors import CheckpointError
from tests.export.networks.comparing import FP32, relative


def port_as_checkpoint(network: nn.Module, path: Path, wrap: bool) -> Path:
    weights = network.state_dict()
    torch.save({"G": weights, "n_iter": 7} if wrap else weights, path)
    return path


@pytest.mark.parametrize("tensorflow", [False, True])
@pytest.mark.parametrize(("width", "wrap"), [(8, True), (16, False)])
def test_both_layouts_of_the_port_give_what_they_gave(tmp_path: Path, tensorflow: bool, width: int, wrap: bool) -> None:
    network = trained_scale(Port(width, tensorflow))
    loaded = load_checkpoint(port_as_checkpoint(network, tmp_path / "port.pth", wrap))
    assert loaded.family == ("nipponjo-tf" if tensorflow else "nipponjo")
    assert loaded.arguments["width"] == width
    assert loaded.interface == Port.interface
    for height, columns in ((96, 64), (40, 72)):
        image, mask = random_images(height, columns)
        with torch.no_grad():
            found, expected = loaded.network(image, mask), network(image, mask)
        assert relative(found[0], expected[0]) < FP32
        assert relative(found[1], expected[1]) < FP32


def test_a_checkpoint_that_lacks_a_layer_is_refused_with_its_name(tmp_path: Path) -> None:
    weights = trained_scale(Port(8)).state_dict()
    del weights["stage2.conv_bn6.conv.bias"]
    weights["stage2.extra.weight"] = torch.zeros(1)
    torch.save(weights, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"missing stage2\.conv_bn6\.conv\.bias; left over stage2\.extra\.weight"):
        load_checkpoint(tmp_path / "x.pth")


def test_a_network_without_guide_channel_is_refused(tmp_path: Path) -> None:
    weights = trained_scale(Port(8)).state_dict()
    weights["stage1.conv1.conv.weight"] = weights["stage1.conv1.conv.weight"][:, :4]
    torch.save(weights, tmp_path / "x.pth")
    with pytest.raises(
        CheckpointError, match=r"stage1\.conv1\.conv\.weight \(8, 4, 5, 5\) \(expected \(8, 5, 5, 5\)\)"
    ):
        load_checkpoint(tmp_path / "x.pth")

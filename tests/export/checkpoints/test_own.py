"""Checkpoints of this project come back as they were saved."""

from pathlib import Path

import pytest
import torch

from inpaintrt.export.checkpoints import load_checkpoint, save_checkpoint
from inpaintrt.export.networks import DeepFillV2, PConvUNet
from inpaintrt.runtime.errors import CheckpointError
from tests.conftest import make_network
from tests.export.checkpoints.conftest import save


def test_own_checkpoint_comes_back(tmp_path: Path) -> None:
    network = make_network()
    save_checkpoint(tmp_path / "a.ckpt", network, network.interface(image_range=(-1.0, 1.0)))
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.interface == network.interface(image_range=(-1.0, 1.0))
    image, mask = torch.rand(1, 3, 32, 32), (torch.rand(1, 1, 32, 32) > 0.5).float()
    with torch.no_grad():
        assert torch.equal(loaded.network(image, mask)[0], network(image, mask)[0])


def test_fp16_checkpoint_is_read_as_float32(tmp_path: Path) -> None:
    network = make_network()
    save_checkpoint(tmp_path / "a.ckpt", network, network.interface(), dtype=torch.float16)
    loaded = load_checkpoint(tmp_path / "a.ckpt").network
    weight = loaded.state_dict()["encoder.0.conv.conv.weight"]
    assert weight.dtype == torch.float32
    assert torch.equal(weight, network.encoder[0].conv.conv.weight.half().float())


@pytest.mark.parametrize(
    "network",
    [PConvUNet(widths=(4, 6), strides=(1, 2)), DeepFillV2(width=8, attention={"fuse": False})],
    ids=["PConvUNet", "DeepFillV2"],
)
def test_own_checkpoints_hold_networks_of_both_families(tmp_path: Path, network: PConvUNet | DeepFillV2) -> None:
    save_checkpoint(tmp_path / "a.ckpt", network.eval(), network.interface())
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.arguments == network.arguments
    assert loaded.interface == network.interface()
    image, mask = torch.rand(1, 3, 32, 32), (torch.rand(1, 1, 32, 32) > 0.5).float()
    with torch.no_grad():
        assert torch.equal(loaded.network(image, mask)[0], network(image, mask)[0])


def test_own_checkpoint_of_another_version_or_network_is_refused(tmp_path: Path) -> None:
    network = PConvUNet(widths=(4, 6))
    path = tmp_path / "a.ckpt"
    save_checkpoint(path, network, network.interface())
    content = torch.load(path, weights_only=True)
    with pytest.raises(CheckpointError, match="checkpoint version 99, this release reads 1"):
        load_checkpoint(save({**content, "version": 99}, path))
    with pytest.raises(CheckpointError, match="a network called 'other'"):
        load_checkpoint(save({**content, "network": "other"}, path))
    with pytest.raises(CheckpointError, match="arguments or interface are invalid"):
        load_checkpoint(save({**content, "arguments": {"depth": 3}}, path))

"""Checkpoints of naoto0804's partial convolution: exact against an independent network of the same layout."""

from pathlib import Path

import pytest
import torch

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime.errors import CheckpointError
from tests.export.checkpoints.conftest import save


@pytest.mark.parametrize("widths", [(8, 12, 16), (6, 8, 8, 10, 10)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_naoto0804_gives_what_its_own_network_gives(tmp_path: Path, widths: tuple[int, ...], wrapped: bool) -> None:
    network = dividing_trained_scale(widths)
    weights = network.state_dict()
    loaded = load_checkpoint(save({"model": weights, "n_iter": 7} if wrapped else weights, tmp_path / "x.pth"))
    assert loaded.family == "naoto0804"
    assert loaded.arguments["widths"] == list(widths)
    assert loaded.interface.mean == (0.485, 0.456, 0.406)
    image = torch.randn(2, 3, 64, 64)
    plane = (torch.rand(2, 1, 64, 64) > 0.4).float()
    plane[:, :, 10:40, 10:40] = 0
    with torch.no_grad():
        expected, expected_mask = network(image, plane.expand(-1, 3, -1, -1))
        output, updated = loaded.network(image, plane)
    error = torch.linalg.vector_norm(output - expected) / torch.linalg.vector_norm(expected)
    assert error < 1e-5  # FP32, other order of operations
    assert torch.equal(updated, expected_mask[:, :1])


def test_mask_weights_must_be_ones(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    theirs["enc_2.conv.mask_conv.weight"][0] = 2
    with pytest.raises(CheckpointError, match="not all one"):
        load_checkpoint(save(theirs, tmp_path / "x.pth"))


def test_counters_that_old_checkpoints_lack_are_optional(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    old = {key: tensor for key, tensor in theirs.items() if not key.endswith("num_batches_tracked")}
    assert load_checkpoint(save(old, tmp_path / "x.pth")).family == "naoto0804"

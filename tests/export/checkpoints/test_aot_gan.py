"""AOT-GAN's checkpoints: exact against a network of their numbering, depth and width inferred, strict."""

from pathlib import Path

import pytest
import torch

from benchmarks.networks.aot_gan import Original
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime.errors import CheckpointError


@pytest.mark.parametrize("prefix", ["", "netG."])
def test_it_gives_what_the_original_gives(prefix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = Original(width=4, blocks=2, looks=4)
    torch.save({f"{prefix}{key}": value for key, value in original.state_dict().items()}, tmp_path / "G0000000.pt")
    loaded = load_checkpoint(tmp_path / "G0000000.pt")
    assert loaded.family == "aot-gan"
    assert loaded.arguments == {"width": 4, "blocks": 2, "looks": 4}
    assert loaded.interface == original.interface
    image, mask = torch.rand(1, 3, 48, 40) * 2 - 1, (torch.rand(1, 1, 48, 40) > 0.5).float()
    with torch.no_grad():
        expected, found = original(image, mask), loaded.network(image, mask)
    error = torch.linalg.vector_norm(found - expected) / torch.linalg.vector_norm(expected)
    assert error < 1e-5  # the gate divides by a deviation, in another order


def test_a_layer_that_is_missing_is_named(tmp_path: Path) -> None:
    weights = Original(width=4, blocks=2, looks=2).state_dict()
    del weights["middle.1.gate.1.bias"]
    torch.save(weights, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"family aot-gan.*missing middle\.1\.gate\.1\.bias"):
        load_checkpoint(tmp_path / "a.pt")

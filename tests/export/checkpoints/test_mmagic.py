"""DeepFillv2 of MMagic."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.networks.deepfill import MMagicGenerator, random_images, trained_scale
from inpaintrt.export.checkpoints import load_checkpoint
from tests.export.networks.comparing import FP32, relative


def mmagic_checkpoint(network: nn.Module, path: Path, prefix: str = "generator.") -> Path:
    weights = {f"{prefix}{key}": tensor for key, tensor in network.state_dict().items()}
    fuse = "stage2.contextual_attention_neck.contextual_attention.fuse_kernel"
    weights |= {f"{prefix}{fuse}": torch.eye(3)[None, None], "disc.fc.weight": torch.zeros(3)}
    torch.save({"meta": {"iter": 9}, "state_dict": weights}, path)
    return path


@pytest.mark.parametrize("prefix", ["generator.", "generator.encoder_decoder."])
def test_mmagic_gives_what_it_gave_with_red_first(tmp_path: Path, prefix: str) -> None:
    network = trained_scale(MMagicGenerator(8, 12))
    loaded = load_checkpoint(mmagic_checkpoint(network, tmp_path / "mmagic.pth", prefix))
    assert loaded.family == "mmagic-deepfillv2"
    assert (loaded.arguments["width"], loaded.arguments["refine_width"]) == (8, 12)
    image, mask = random_images(96, 80)
    with torch.no_grad():
        found = loaded.network(image, mask)
        expected = network(image.flip(1), mask)
    assert relative(found[0], expected[0].flip(1)) < FP32
    assert relative(found[1], expected[1].flip(1)) < FP32

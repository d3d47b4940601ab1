"""Images of gates and of mask planes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export import export_onnx
from inpaintrt.export.networks import GatedConv2d
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.errors import UsageError
from inpaintrt.validation.reports.feature_maps import CAPTION, CHANNELS, TILE, write_gates


class Gated(nn.Module):
    """A gate that is 1 in holes and nearly 0 elsewhere, an activation that looks like a gate, and a plain layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = GatedConv2d(4, 6, kernel_size=1)
        self.last = nn.Conv2d(6, 3, 1)
        with torch.no_grad():
            self.first.conv.weight[6:] = 0
            self.first.conv.weight[6:, 3] = 20
            self.first.conv.bias[6:] = -10

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return torch.tanh(self.last(nn.functional.silu(self.first(torch.cat([image, 1 - mask], dim=1)))))


def test_a_gate_that_follows_the_mask_looks_like_it(tmp_path: Path) -> None:
    network = Gated()
    bundle = export_onnx(network.eval(), tmp_path, size=(32, 48))
    (path,) = write_gates(bundle, ["*"])
    assert path == tmp_path / "reports" / "gates" / "gate-01.png"
    figure = np.asarray(Image.open(path).convert("L")).astype(int)
    assert figure.shape == (TILE + CAPTION, TILE * (4 + CHANNELS))
    tiles = [figure[CAPTION : CAPTION + TILE * 32 // 48, TILE * i : TILE * (i + 1)] for i in (1, 3)]
    assert 0.02 < (tiles[0] > 128).mean() < 0.98  # there is a hole
    assert np.abs(tiles[0] - tiles[1]).max() <= 1


def test_mask_planes_of_partial_convolution(shared_bundle: Bundle, tmp_path: Path) -> None:
    from tests.conftest import copy_bundle

    bundle = copy_bundle(shared_bundle, tmp_path / "copy", Path("none"))
    paths = write_gates(bundle, ["mask-0*"])
    assert [path.name for path in paths] == [f"mask-{number:02d}.png" for number in range(1, 7)]
    assert Image.open(paths[0]).size == (4 * TILE, TILE + CAPTION)


def test_a_name_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    bundle = export_onnx(randomise(Gated()), tmp_path, size=(16, 16))
    with pytest.raises(UsageError, match="has gate-01"):
        write_gates(bundle, ["gate-02"])

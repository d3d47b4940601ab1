"""The command that tries public networks: code that lacks packages, a network that works, and one that cannot."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks.__main__ import cells
from benchmarks.networks.foreign_code import foreign_code
from benchmarks.networks.public import NETWORKS
from benchmarks.networks.trial import attempt
from inpaintrt.export import Interface

CODE = """
from timm.models.layers import DropPath, to_2tuple
from torchvision.models import vgg16

sides = to_2tuple(3)
drop = DropPath(0.5)

def features():
    return vgg16(pretrained=True)
"""


def test_packages_that_are_not_installed_can_be_imported_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "some_network.py").write_text(CODE)
    with foreign_code(tmp_path):
        module = importlib.import_module("some_network")
    assert module.sides == (3, 3)
    assert module.drop(torch.ones(2)).sum() == 2
    with pytest.raises(ImportError, match=r"torchvision\.models\.vgg16 is used, and torchvision is not installed"):
        module.features()


class Fills(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return torch.sigmoid(self.norm(self.conv(torch.cat([image, mask], 1))))


class Draws(Fills):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return super().forward(image + torch.randn_like(image), mask)


@pytest.mark.slow
def test_a_row_says_what_became_of_a_network(tmp_path: Path) -> None:
    row = attempt(Fills(), Interface(), (64, 64), tmp_path, rounds=1, engines=False)
    assert row["export"] == "ok"
    assert row["reference"] == "FP64"
    assert row["fp32_holds"]
    assert not row["strict_fp16_not_finite"]
    assert row["strict_fp16_error"] < 1e-2
    assert row["speed"] > 0
    shown = cells({"network": "Fills", **row})
    assert shown[:2] == ["Fills", "64x64"]
    assert shown[4] == "100.0 %"


def test_a_row_says_why_a_network_was_refused(tmp_path: Path) -> None:
    row = attempt(Draws(), Interface(), (64, 64), tmp_path, rounds=0, engines=False)
    assert "the network draws random numbers: randn_like" in row["export"]
    assert cells({"network": "Draws", **row})[2] == row["export"]


def test_names_are_told_apart() -> None:
    names = [network.name for network in NETWORKS]
    assert len(set(names)) == len(names) > 15

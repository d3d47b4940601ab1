"""`--explain`: what a reader is told is what is in the graph."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export import Interface
from inpaintrt.export.models import make_models
from inpaintrt.export.options import ExportOptions
from inpaintrt.export.report import ExportReport
from inpaintrt.export.source import from_module
from inpaintrt.runtime.bundle import Profile
from tests.export.graph import formulation_networks as networks, formulations as f


def explained(network: nn.Module, mask_channels: int = 1, keep_fp32: tuple[str, ...] = ()) -> ExportReport:
    interface = Interface(mask_channels=mask_channels, size_multiple=8)
    options = ExportOptions(Profile((1, 1, 1), (32,) * 3, (32,) * 3), "tensor", keep_fp32=keep_fp32, explain=True)
    return make_models(from_module(network, interface), options)[1]


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (f.RatioThenClamp, "((z + b - b) * (1 / (s + 1e-08) * 9 * clip(s, 0, 1)) + b) * clip(s, 0, 1)"),
        (f.MaskedFill, "where(s == 0, 0, (z + b - b) / where(s == 0, 1, s) + b)"),
        (f.WhereZero, "where(s == 0, 0, z * 9 / where(s == 0, 1, s) + b)"),
        (f.PowerOfMinusOne, "(z * 9 * (s + 1e-05) ** -1 + b) * min(s, 1)"),
    ],
)
def test_a_layer_is_shown_as_it_was_found(layer: type[nn.Module], formula: str) -> None:
    last = explained(randomise(networks.ThreeLayers(layer))).layers[-1]
    assert (last.layer, last.form, last.known, last.times) == ("layers.2.conv", "partial", "0..9", 1)
    assert last.window == "3x3, 8 to 3"
    assert last.precision == "fp16"
    # what is written here binds as tightly as there, and no tighter
    assert last.formula == formula


def test_masks_as_wide_as_features_are_told_with_their_planes() -> None:
    layers = explained(dividing_trained_scale(), mask_channels=3).layers
    assert [layer.form for layer in layers] == ["partial"] * 6
    assert layers[0].mask == "3, carried as 1"
    assert layers[-1].mask == "11, carried as 2"
    assert layers[-1].known == "0..99"
    assert "ratio scaled to 1 where all is known, by 99" in layers[-1].done
    assert "upsampling folded, 4 taps of 9" in layers[-1].done
    assert "batch norm folded" in layers[1].done


def test_layers_that_run_several_times_are_one_row() -> None:
    layers = explained(randomise(networks.Recurrent())).layers
    assert {layer.layer: layer.times for layer in layers} == {"entrance.conv": 1, "layer.conv": 3, "exit": 1}
    assert [layer.form for layer in layers if layer.layer == "exit"] == ["ordinary"]


def test_masked_and_ordinary_convolutions_are_told_apart() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.masked, self.ordinary = nn.Conv2d(3, 4, 3, 2, 1, groups=1), nn.Conv2d(4, 3, 3, padding=2, dilation=2)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return F.interpolate(self.ordinary(torch.relu(self.masked(image * mask))), size=image.shape[2:])

    layers = explained(randomise(Mixed())).layers
    assert [(layer.layer, layer.form, layer.formula) for layer in layers] == [
        ("masked", "masked", ""), ("ordinary", "ordinary", ""),
    ]  # fmt: skip
    assert [layer.window for layer in layers] == ["3x3, 3 to 4, stride 2", "3x3, 4 to 3, dilation 2"]


def test_why_a_layer_stayed_fp32_is_told() -> None:
    layers = explained(randomise(networks.ThreeLayers(f.RatioThenClamp)), keep_fp32=("conv2d_3*",)).layers
    assert [layer.precision for layer in layers] == ["fp16", "fp32", "fp16"]
    assert [layer.reason for layer in layers] == ["", "--keep-fp32 conv2d_3*", ""]


def test_a_layer_is_not_taken_for_another_whose_name_begins_alike() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1, stride=1 + i % 2) for i in range(3))

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            for layer in self.layers:
                image = F.interpolate(torch.relu(layer(image * mask)), size=image.shape[2:])
            return image

    layers = explained(randomise(Several()), keep_fp32=("conv2d_1*",)).layers
    assert [layer.precision for layer in layers] == ["fp16", "fp32", "fp16"]


def test_both_of_two_layers_that_became_one_are_told() -> None:
    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return self.first(image) * torch.sigmoid(self.second(image)) * mask

    layers = explained(randomise(Parallel()), keep_fp32=("*_merged",)).layers
    assert [(layer.layer, layer.reason) for layer in layers] == [
        ("first", "--keep-fp32 *_merged"), ("second", "--keep-fp32 *_merged"),
    ]  # fmt: skip


def test_a_network_without_a_mask_path_is_told_so() -> None:
    report = explained(randomise(NoMaskPath()))
    assert [layer.form for layer in report.layers] == ["ordinary"]
    assert report.mask_path_values <= 1

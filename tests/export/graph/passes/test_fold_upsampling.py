"""Convolutions over upsampled features: exact as transposed convolutions, and a reason where they are left."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.multiply_adds import multiply_adds
from inpaintrt.export.graph.analysis.nearest_upsampling import nearest_factors
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.passes.collapse_mask_channels import collapse_mask_channels
from inpaintrt.export.graph.passes.fold_upsampling import fold_upsampling
from inpaintrt.export.graph.passes.sink_upsampling import sink_upsampling
from tests.export.graph.graphs import SHAPES, Layer, assert_same, operators, traced


class Decoder(nn.Module):
    """A convolution over upsampled features, alone or joined with what has the full size."""

    def __init__(
        self, kernel: Any = 3, padding: Any = 1, factor: Any = 2, joined: str = "skip", parts: int = 1, **options: Any
    ):
        super().__init__()
        self.joined, self.factor, self.parts = joined, factor, parts
        channels = 8 * parts + (3 if joined == "skip" else 0)
        self.conv = nn.Conv2d(channels, 6, kernel, padding=padding, **options)
        self.small = nn.Conv2d(3, 8, 3, stride=factor, padding=1)
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = torch.relu(self.small(image * mask))
        upsampled = [F.interpolate(features + i, scale_factor=self.factor) for i in range(self.parts)]
        joined = torch.cat([*upsampled, image] if self.joined == "skip" else upsampled, dim=1)
        return F.interpolate(self.last(self.conv(joined)), size=image.shape[2:])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"joined": "nothing"},
        {"kernel": 5, "padding": 2},
        {"kernel": 2, "padding": 0},
        {"kernel": (3, 5), "padding": (2, 1)},
        {"padding": 0},
        {"padding": 2, "bias": False},
        {"factor": 4},
        {"factor": 4, "kernel": 2, "padding": 1},
        {"parts": 2},
        {"parts": 2, "joined": "nothing"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kernels", ["summed", "as trained"])
def test_upsampling_and_convolution_are_one_transposed_convolution(options: dict[str, Any], kernels: Any) -> None:
    before = traced(Decoder(**options))
    after, report = fold_upsampling(before, kernels)
    assert len(report.changed) == 1
    assert report.refused == []
    assert operators(after)["ConvTranspose"] == 1
    assert operators(after)["Resize"] < operators(before)["Resize"]
    assert_same(before, after)


class Pyramid(nn.Module):
    """Joins features of two smaller sizes with what has the full size."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)
        self.conv = nn.Conv2d(11, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        half = torch.relu(self.first(image * mask))
        quarter = torch.relu(self.second(half))
        upsampled = [F.interpolate(half, scale_factor=2), F.interpolate(quarter, scale_factor=4)]
        return self.conv(torch.cat([*upsampled, image], dim=1))


def test_parts_that_are_upsampled_by_different_factors() -> None:
    before = traced(Pyramid())
    after, _ = fold_upsampling(before)
    assert operators(after)["ConvTranspose"] == 2
    onnx.checker.check_model(ir.to_proto(after).SerializeToString())  # every value has a name of its own
    assert_same(before, after)


def test_it_takes_four_taps_and_not_nine() -> None:
    before = traced(Decoder(joined="nothing"))
    after, _ = fold_upsampling(before)
    counts = [multiply_adds(model, SHAPES)[ir.DataType.FLOAT] for model in (before, after)]
    convolution = 32 * 32 * 6 * 8
    assert counts[0] - counts[1] == convolution * (9 - 4)


def test_kernels_as_trained_do_not_make_the_file_larger() -> None:
    before = traced(Decoder())
    sizes = {kernels: _weights(fold_upsampling(before, kernels)[0]) for kernels in ("summed", "as trained")}  # type: ignore[arg-type]
    assert sizes["as trained"] == _weights(before)
    assert sizes["summed"] == _weights(before) + 8 * 6 * (16 - 9)


def _weights(model: ir.Model) -> int:
    arrays = [value.const_value for value in model.graph.initializers.values() if value.const_value is not None]
    return sum(array.size for array in arrays if len(array.shape) == 4)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dilation": 2, "padding": 2}, "a stride or a dilation"),
        ({"stride": 2}, "a stride or a dilation"),
        ({"joined": "nothing", "groups": 2}, "groups"),
        ({"padding": 3}, "padding is wider than its kernel"),
        ({"kernel": 1, "padding": 0}, "a kernel of 1x1 has no taps to share"),
    ],
    ids=str,
)
def test_what_is_no_such_convolution_is_left(options: dict[str, Any], reason: str) -> None:
    before = traced(Decoder(**options))
    after, report = fold_upsampling(before)
    assert report.changed == []
    assert reason in report.refused[0][1]
    assert operators(after) == operators(before)


@pytest.mark.parametrize(
    ("upsample", "factors"),
    [
        (lambda x: F.interpolate(x, scale_factor=2), (2, 2)),
        (lambda x: F.interpolate(x, scale_factor=(1, 3)), (1, 3)),
        (lambda x: F.interpolate(x, size=(64, 128)), (2, 4)),
        (lambda x: F.interpolate(x, size=(48, 64)), None),
        (lambda x: F.interpolate(x, scale_factor=0.5), None),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), None),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), None),
    ],
)
def test_what_repeats_every_place(upsample: Any, factors: tuple[int, int] | None) -> None:
    model = traced(Layer(lambda s, x, m: F.interpolate(upsample(torch.relu(x)), size=x.shape[2:])))
    first = next(node for node in model.graph if node.op_type == "Resize")
    assert nearest_factors(first) == factors


def test_products_with_the_mask_are_made_before_upsampling() -> None:
    def decoded(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        small, plane = layer.conv(image)[:, :, ::2, ::2], mask[:, :, ::2, ::2]
        return torch.relu(F.interpolate(small, scale_factor=2) * F.interpolate(plane, scale_factor=2) + 0.5)

    before = traced(Layer(decoded))
    after, report = sink_upsampling(before)
    assert len(report.changed) == 3
    assert_same(before, after)
    after = clean_up(after)
    assert operators(after)["Resize"] == 1
    assert after.graph.outputs[0].producer().op_type == "Resize"


def test_a_mask_of_the_full_size_is_multiplied_there() -> None:
    def decoded(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        return layer.conv(F.interpolate(image[:, :, ::2, ::2], scale_factor=2) * mask)

    before = traced(Layer(decoded))
    after, report = sink_upsampling(before)
    assert report.changed == []
    assert fold_upsampling(after)[1].changed == []


def test_a_plane_for_each_part_is_multiplied_before_upsampling() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.conv = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(11, 3, 3, padding=1)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            small = torch.relu(self.small(image))
            below = F.max_pool2d(mask, 2).expand(-1, 8, -1, -1)
            features = torch.cat([F.interpolate(small, scale_factor=2), image], dim=1)
            masks = torch.cat([F.interpolate(below, scale_factor=2), mask.expand(-1, 3, -1, -1)], dim=1)
            return self.conv(features * masks)

    before = traced(Joined())
    after = before
    for optimisation in (collapse_mask_channels, sink_upsampling, fold_upsampling):
        after, _ = optimisation(after)
    assert operators(after)["ConvTranspose"] == 1
    assert "Resize" not in operators(after)
    assert_same(before, after)


def test_summed_kernels_are_computed_in_double_precision() -> None:
    from inpaintrt.export.graph.passes.fold_upsampling import sum_windows

    kernel = np.array([[[[1e8, 1.0], [-1e8, 1.0]]]], dtype=np.float32)
    assert sum_windows(kernel, (2, 2))[0, 0, 1, 1] == 2

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
from inpaintrt.export.graph.passes.fold_upsampling import fold_upsampling, sum_windows
from tests.export.graph.graphs import (
    SHAPES,
    assert_same,
    operators,
    traced,
)


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


@pytest.mark.parametrize(("places", "folded"), [(1, False), (10**6, True)])
def test_kernels_of_few_places_stay_where_shapes_are_known(places: int, folded: bool) -> None:
    before = traced(Decoder())
    (last,) = [
        node for node in before.graph if node.op_type == "Conv" and node.inputs[0].producer().op_type == "Concat"
    ]
    shapes = {str(last.outputs[0].name): (1, 6, 1, places)}
    after, report = fold_upsampling(before, "summed", shapes)
    assert bool(report.changed) is folded
    assert folded or "its kernel would grow by" in report.refused[0][1]
    assert operators(after)["ConvTranspose"] == folded


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


def test_summed_kernels_are_computed_in_double_precision() -> None:

    kernel = np.array([[[[1e8, 1.0], [-1e8, 1.0]]]], dtype=np.float32)
    assert sum_windows(kernel, (2, 2))[0, 0, 1, 1] == 2

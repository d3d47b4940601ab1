"""Pointwise operators are computed before nearest upsampling."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.passes.collapse_mask_channels import collapse_mask_channels
from inpaintrt.export.graph.passes.fold_upsampling import fold_upsampling
from inpaintrt.export.graph.passes.sink_upsampling import sink_upsampling
from tests.export.graph.graphs import (
    Layer,
    assert_same,
    operators,
    traced,
)


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

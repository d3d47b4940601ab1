"""Identical mask channels are carried once: exact whatever a network does with its mask, or refused with the reason."""

from typing import Any

import onnx_ir as ir
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.graph.analysis.multiply_adds import multiply_adds
from inpaintrt.export.graph.passes.collapse_mask_channels import collapse_mask_channels
from tests.export.graph.graphs import (
    SHAPES,
    SIZE,
    Layer,
    assert_same,
    inputs,
    run,
    traced,
    wide_trace,
)


def test_identical_mask_channels_are_carried_once() -> None:
    model = wide_trace()
    collapsed, report = collapse_mask_channels(model)
    assert len(report.changed) == 6
    assert_same(model, collapsed)
    path = analyse_mask_path(collapsed)
    mask_convolutions = [n for n in collapsed.graph if n.op_type == "Conv" and n.outputs[0] in path.mask_only]
    assert [node.outputs[0].shape[1] for node in mask_convolutions] == [1] * 6
    # the decoder's masks have one plane for each part of its features
    assert [node.inputs[0].shape[1] for node in mask_convolutions] == [1, 1, 1, 2, 2, 2]
    before, after = (multiply_adds(each, SHAPES)[ir.DataType.FLOAT] for each in (model, collapsed))
    assert after < 0.52 * before


def ones(inputs_: int, outputs: int) -> Tensor:
    return torch.ones(outputs, inputs_, 3, 3)


@pytest.mark.parametrize(
    ("masked", "shrinks"),
    [
        (lambda m: F.conv2d(m.expand(-1, 3, -1, -1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(torch.cat([m, m, 1 - m], 1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(m.expand(-1, 3, -1, -1), torch.arange(81.0).view(3, 3, 3, 3), padding=1), True),
        (
            lambda m: F.conv2d(
                m.expand(-1, 3, -1, -1) * torch.tensor([1.0, 2, 3]).view(3, 1, 1), ones(3, 3)[:, :, 1:2, 1:2]
            ),
            True,
        ),
        (lambda m: F.conv2d(m.expand(-1, 3, -1, -1), torch.ones(3, 1, 3, 3), padding=1, groups=3), True),
        (lambda m: F.conv2d(torch.cat([m, 1 - m, m.flip(3)], 1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(torch.cat([m, m.flip(3)], 1), torch.arange(54.0).view(3, 2, 3, 3), padding=1), False),
        (lambda m: F.max_pool2d(F.conv2d(m, ones(1, 3), padding=1), 3, 1, 1) * torch.ones(1, 3, 1, 1), True),
        (lambda m: (F.conv2d(m, ones(1, 3), padding=1) == 0).float().masked_fill(m == 0, 0.5), True),
    ],
)
def test_collapsing_is_exact_whatever_the_mask_path_does(masked: Any, shrinks: bool) -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m) * masked(m)))
    collapsed, report = collapse_mask_channels(model)
    assert bool(report.changed) == shrinks
    assert shrinks or "2 mask channels are not proven identical" in report.refused[0][1]
    assert_same(model, collapsed)


@pytest.mark.parametrize(
    "masked",
    [
        lambda m: F.conv2d(F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1)[:, :1], ones(1, 3), padding=1),
        lambda m: F.conv2d(torch.cat([m, m, m.flip(3)], 1)[:, 1:], torch.ones(3, 2, 3, 3), padding=1),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1).chunk(3, dim=1)[1], ones(1, 3), padding=1),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1).clamp(0, 1).prod(1, keepdim=True),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1).clamp(0, 1).flip(1),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1) * torch.arange(3.0).view(3, 1, 1),
    ],
)
def test_whatever_needs_a_wide_mask_it_is_computed_narrow(masked: Any) -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m) * masked(m)))
    collapsed, _ = collapse_mask_channels(model)
    assert_same(model, collapsed)
    path = analyse_mask_path(collapsed)
    for node in collapsed.graph:
        if node.op_type == "Conv" and node.outputs[0] in path.mask_only:
            assert node.inputs[0].shape[1] < 3


def test_a_wide_mask_that_widens_one_feature_stays_wide() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x)[:, :1] * F.conv2d(m, ones(1, 3), padding=1)))
    collapsed, _ = collapse_mask_channels(model)
    assert_same(model, collapsed)


def test_a_wide_updated_mask_keeps_its_shape() -> None:
    model = wide_trace()
    collapsed, _ = collapse_mask_channels(model)
    assert [run(each, inputs())[1].shape for each in (model, collapsed)] == [(1, 3, SIZE, SIZE)] * 2

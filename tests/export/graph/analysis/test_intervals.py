"""From the ranges of a node's operands to the range of its result."""

import math

import onnx_ir as ir
import pytest
import torch
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.intervals import UNKNOWN, Interval, fits_fp16, range_of
from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from tests.export.graph.graphs import (
    Layer,
    traced,
)


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        ("Add", [(0, 1), (2, 3)], (2, 4)),
        ("Sub", [(0, 1), (2, 3)], (-3, -1)),
        ("Mul", [(-1, 2), (-3, 4)], (-6, 8)),
        ("Mul", [(0, 0), (-math.inf, math.inf)], (0, 0)),
        ("Div", [(1, 9), (1, 3)], (1 / 3, 9)),
        ("Div", [(1, 9), (0, 3)], UNKNOWN),
        ("Reciprocal", [(1, 4)], (0.25, 1)),
        ("Abs", [(-3, 2)], (0, 3)),
        ("Relu", [(-3, 2)], (0, 2)),
        ("Max", [(0, 5), (2, 3)], (2, 5)),
        ("Equal", [(1, 2), (3, 4)], (0, 0)),
        ("Greater", [(5, 6), (3, 4)], (1, 1)),
        ("Where", [(1, 1), (2, 3), (-9, 9)], (2, 3)),
        ("Sigmoid", [UNKNOWN], (0, 1)),
        ("Erf", [(0, 1)], UNKNOWN),
    ],
)
def test_range_of_a_result(op: str, operands: list[Interval], expected: Interval) -> None:
    node = ir.node(op, [ir.Value(name=f"x{i}") for i in range(len(operands))])
    assert range_of(node, operands) == pytest.approx(expected)


def test_a_window_adds_padding_and_bias() -> None:
    model = traced(Layer(lambda s, x, m: x * F.conv2d(1 + m, torch.ones(1, 1, 3, 3), torch.ones(1), padding=1)))
    path = analyse_mask_path(model)
    total = next(node.outputs[0] for node in model.graph if node.op_type == "Conv")
    assert path.ranges[total] == (1, 19)  # outside the image there are zeros


def test_what_fits_fp16() -> None:
    assert fits_fp16((-65504.0, 65504.0))
    assert not fits_fp16((0.0, 65505.0))
    assert not fits_fp16(UNKNOWN)

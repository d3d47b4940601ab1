"""Multiply-adds of convolutions and matrix products."""

import onnx_ir as ir

from inpaintrt.export.graph.analysis.multiply_adds import fp16_share, multiply_adds, with_sizes
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from tests.export.graph.graphs import (
    SHAPES,
    SIZE,
    Layer,
    traced,
)


def test_multiply_adds_are_counted() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m)))
    assert multiply_adds(model, SHAPES) == {ir.DataType.FLOAT: 3 * 3 * 3 * 3 * SIZE * SIZE}


def test_share_of_fp16() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m)))
    assert fp16_share(model, SHAPES) == 0
    assert fp16_share(convert_to_fp16(model)[0], SHAPES) == 1
    assert fp16_share(traced(Layer(lambda s, x, m: x * m)), SHAPES) == 0  # no multiply-adds at all


def test_a_model_that_has_these_sizes_is_not_copied() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m)))
    assert with_sizes(model, SHAPES) is model
    wider = {name: (*shape[:3], 2 * SIZE) for name, shape in SHAPES.items()}
    sized = with_sizes(model, wider)
    assert sized is not model
    assert multiply_adds(model, wider) == {ir.DataType.FLOAT: 2 * 3 * 3 * 3 * 3 * SIZE * SIZE}
    model.graph[0].outputs[0].shape = None
    assert with_sizes(model, SHAPES) is not model

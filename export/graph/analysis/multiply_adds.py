"""Multiply-adds of a graph, and the share of them that FP16 does."""

import math
from collections.abc import Mapping

import onnx_ir as ir
import onnxscript.optimizer

from ..ir_tools import infer_types
from ..operators import UNCOUNTED


def multiply_adds(model: ir.Model, sizes: Mapping[str, tuple[int, ...]]) -> dict[ir.DataType, int]:
    """Multiply-adds of convolutions and matrix products, by the type they are computed in.

    Args:
        model: static, or dynamic with its inputs called as in `sizes`.
        sizes: the shape of each input to count for.
    """
    totals: dict[ir.DataType, int] = {}
    for node in with_sizes(model, sizes).graph:
        count = count_multiply_adds(node) or 0
        dtype = node.outputs[0].dtype
        if count and dtype is not None:
            totals[dtype] = totals.get(dtype, 0) + count
    return totals


def with_sizes(model: ir.Model, sizes: Mapping[str, tuple[int, ...]]) -> ir.Model:
    """`model` with inputs of these shapes, and the shapes of all values that follow; a copy if they change."""
    if _has_sizes(model, sizes):
        return model
    model = model.clone()
    for value in model.graph.inputs:
        value.shape = ir.Shape(sizes[str(value.name)])
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    unknown = len(model.graph) + 1
    while True:
        # Shapes that a raw trace computes from constants or from other shapes cannot be inferred before.
        onnxscript.optimizer.fold_constants(model)
        model = infer_types(model)
        left = sum(count_multiply_adds(node) is None for node in model.graph)
        if left == 0 or left >= unknown:
            return model
        unknown = left


def _has_sizes(model: ir.Model, sizes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the inputs have these shapes already, and all other shapes are numbers."""
    if any(value.shape is None or tuple(value.shape) != tuple(sizes[str(value.name)]) for value in model.graph.inputs):
        return False
    values = [value for node in model.graph for value in node.outputs]
    return all(value.shape is not None and all(isinstance(size, int) for size in value.shape) for value in values)


def fp16_share(model: ir.Model, sizes: Mapping[str, tuple[int, ...]]) -> float:
    """Share (0..1) of the multiply-adds that are done in FP16; 0 for a graph without any."""
    totals = multiply_adds(model, sizes)
    return totals.get(ir.DataType.FLOAT16, 0) / max(sum(totals.values()), 1)


def count_multiply_adds(node: ir.Node) -> int | None:
    """Multiply-adds of one node, 0 for operators that are no convolution or product; None where nobody can tell."""
    if node.op_type in UNCOUNTED:
        return None
    if node.op_type == "Conv":
        return _product(_elements(node.outputs[0]), _elements(node.inputs[1], skip=1))
    if node.op_type == "ConvTranspose":
        return _product(_elements(node.inputs[0]), _elements(node.inputs[1], skip=1))
    if node.op_type in ("Gemm", "MatMul"):
        shape = node.inputs[0].shape if node.inputs[0] is not None else None
        transposed = "transA" in node.attributes and node.attributes["transA"].as_int()
        inner = shape[0 if transposed else -1] if shape is not None else None
        return _product(_elements(node.outputs[0]), inner if isinstance(inner, int) else None)
    return 0


def _product(*factors: int | None) -> int | None:
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def _elements(value: ir.Value | None, skip: int = 0) -> int | None:
    """How many numbers a value holds, its first `skip` axes left out; None if its shape is not known."""
    if value is None or value.shape is None:
        return None
    sizes = list(value.shape)[skip:]
    return _product(*(size if isinstance(size, int) else None for size in sizes))

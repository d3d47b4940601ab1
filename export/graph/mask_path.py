"""Mask-path analysis: which values depend on the mask and on no image value, and what range they have.

The mask path of a network is found in the graph, not by the class that made it: a value is on it when the mask reaches
it and no image value does. Shapes do not count as image values, so a mask built with `ones_like(features)` is still a
mask.

Ranges are intervals that hold for every mask in 0..1, propagated from the mask input. They tell what fits FP16 and
what cannot be zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .ir_tools import constant

Interval = tuple[float, float]

UNKNOWN: Interval = (-math.inf, math.inf)


@dataclass(frozen=True)
class MaskPath:
    """The result of `analyse_mask_path`.

    Args:
        mask_only: values that depend on the mask and on no image value.
        image_dependent: values that depend on the image.
        ranges: an interval for each value of `mask_only`.
    """

    mask_only: frozenset[ir.Value]
    image_dependent: frozenset[ir.Value]
    ranges: dict[ir.Value, Interval]


def analyse_mask_path(model: ir.Model, image: str = "image", mask: str = "mask") -> MaskPath:
    """Find the mask path of a model whose inputs are called `image` and `mask`; the mask is in 0..1."""
    inputs = {value.name: value for value in model.graph.inputs}
    image_dependent = {value for name, value in inputs.items() if name == image}
    mask_only = {value for name, value in inputs.items() if name == mask}
    ranges: dict[ir.Value, Interval] = dict.fromkeys(mask_only, (0.0, 1.0))
    for node in model.graph:
        if node.op_type in ("Shape", "Size"):
            continue
        if any(value in image_dependent for value in node.inputs):
            image_dependent.update(node.outputs)
        elif any(value in mask_only for value in node.inputs):
            mask_only.update(node.outputs)
            for output in node.outputs:
                ranges[output] = _range_of(node, ranges)
    return MaskPath(frozenset(mask_only), frozenset(image_dependent), ranges)


def _range_of(node: ir.Node, ranges: dict[ir.Value, Interval]) -> Interval:
    rule = _RULES.get(node.op_type)
    if rule is None or node.domain:
        return UNKNOWN
    operands = [_interval(value, ranges) for value in node.inputs]
    low, high = rule(node, operands)
    return UNKNOWN if math.isnan(low) or math.isnan(high) else (low, high)


def _interval(value: ir.Value | None, ranges: dict[ir.Value, Interval]) -> Interval:
    if value is None:
        return UNKNOWN
    if value in ranges:
        return ranges[value]
    array = constant(value)
    if array is None or array.size == 0 or array.dtype.kind not in "fiub":
        return UNKNOWN
    return float(array.min()), float(array.max())


def _corners(combine: Callable[[float, float], float]) -> Callable[[ir.Node, list[Interval]], Interval]:
    """The range of a function that is monotonic in each of its two operands."""

    def rule(_: ir.Node, operands: list[Interval]) -> Interval:
        values = [combine(a, b) for a in operands[0] for b in operands[1]]
        return (math.nan, math.nan) if any(map(math.isnan, values)) else (min(values), max(values))

    return rule


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _divide(node: ir.Node, operands: list[Interval]) -> Interval:
    low, high = operands[1]
    if low <= 0 <= high:
        return UNKNOWN
    return _corners(lambda a, b: a / b)(node, operands)


def _reciprocal(_: ir.Node, operands: list[Interval]) -> Interval:
    low, high = operands[0]
    return UNKNOWN if low <= 0 <= high else (1 / high, 1 / low)


def _clip(node: ir.Node, operands: list[Interval]) -> Interval:
    low, high = operands[0]
    least = operands[1][0] if len(node.inputs) > 1 and node.inputs[1] is not None else -math.inf
    most = operands[2][1] if len(node.inputs) > 2 and node.inputs[2] is not None else math.inf
    return min(max(low, least), most), min(max(high, least), most)


def _convolve(node: ir.Node, operands: list[Interval]) -> Interval:
    weight = constant(node.inputs[1])
    if weight is None:
        return UNKNOWN
    # Padding adds zeros to what the window sees.
    low, high = min(operands[0][0], 0.0), max(operands[0][1], 0.0)
    if math.isinf(low) or math.isinf(high):
        return UNKNOWN
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    positive, negative = flat.clip(min=0).sum(axis=1), flat.clip(max=0).sum(axis=1)
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if bias is None:
        bias = np.zeros(len(flat))
    return float((positive * low + negative * high + bias).min()), float(
        (positive * high + negative * low + bias).max()
    )


def _hull(_: ir.Node, operands: list[Interval]) -> Interval:
    return min(low for low, _ in operands), max(high for _, high in operands)


def _hull_with_zero(node: ir.Node, operands: list[Interval]) -> Interval:
    low, high = operands[0]
    return min(low, 0.0), max(high, 0.0)


def _same(_: ir.Node, operands: list[Interval]) -> Interval:
    return operands[0]


def _truth(_: ir.Node, __: list[Interval]) -> Interval:
    return 0.0, 1.0


_RULES: dict[str, Callable[[ir.Node, list[Interval]], Interval]] = {
    "Add": _corners(lambda a, b: a + b),
    "Sub": _corners(lambda a, b: a - b),
    "Mul": _corners(_times),
    "Div": _divide,
    "Reciprocal": _reciprocal,
    "Min": lambda _, operands: (min(o[0] for o in operands), min(o[1] for o in operands)),
    "Max": lambda _, operands: (max(o[0] for o in operands), max(o[1] for o in operands)),
    "Neg": lambda _, operands: (-operands[0][1], -operands[0][0]),
    "Relu": lambda _, operands: (max(operands[0][0], 0.0), max(operands[0][1], 0.0)),
    "Clip": _clip,
    "Conv": _convolve,
    "Concat": _hull,
    "Where": lambda node, operands: _hull(node, operands[1:]),
    "AveragePool": _hull_with_zero,
    "MaxPool": _hull_with_zero,
    "Pad": _hull_with_zero,
    "Not": _truth, "And": _truth, "Or": _truth, "Equal": _truth, "Greater": _truth, "GreaterOrEqual": _truth,
    "Less": _truth, "LessOrEqual": _truth,
    "Cast": _same, "Identity": _same, "Resize": _same, "Expand": _same, "Reshape": _same, "Transpose": _same,
    "Slice": _same, "Squeeze": _same, "Unsqueeze": _same, "Tile": _same, "Gather": _same, "Split": _same,
    "Flatten": _same,
}  # fmt: skip

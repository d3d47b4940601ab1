"""Mask-path analysis: which values depend on the mask and on no image value, and what range they have.

The mask path of a network is found in the graph, not by the class that made it: a value is on it when the mask reaches
it and no image value does. Shapes do not count as image values, so a mask built with `ones_like(features)` is still a
mask.

Ranges are intervals that hold for every mask of zeros and ones, propagated from the mask input, together with which
values are integers. They tell what fits FP16 and what cannot be zero.
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
        integers: the values of `mask_only` that are integers.
    """

    mask_only: frozenset[ir.Value]
    image_dependent: frozenset[ir.Value]
    ranges: dict[ir.Value, Interval]
    integers: frozenset[ir.Value] = frozenset()


def analyse_mask_path(model: ir.Model, image: str = "image", mask: str = "mask") -> MaskPath:
    """Find the mask path of a model whose inputs are called `image` and `mask`; the mask holds zeros and ones."""
    inputs = {value.name: value for value in model.graph.inputs}
    image_dependent = {value for name, value in inputs.items() if name == image}
    mask_only = {value for name, value in inputs.items() if name == mask}
    ranges: dict[ir.Value, Interval] = dict.fromkeys(mask_only, (0.0, 1.0))
    integers = set(mask_only)
    for node in model.graph:
        if node.op_type in ("Shape", "Size"):
            continue
        # Of its second operand CastLike takes the type alone.
        values = node.inputs[:1] if node.op_type == "CastLike" else node.inputs
        if any(value in image_dependent for value in values):
            image_dependent.update(node.outputs)
        elif any(value in mask_only for value in values):
            mask_only.update(node.outputs)
            for output in node.outputs:
                ranges[output] = _range_of(node, ranges, integers)
                if _is_integer(node, integers):
                    integers.add(output)
    return MaskPath(frozenset(mask_only), frozenset(image_dependent), ranges, frozenset(integers))


def _is_integer(node: ir.Node, integers: set[ir.Value]) -> bool:
    if node.op_type in _TRUTH:
        return True
    if node.op_type == "Resize" and _mode(node) != "nearest":
        return False
    values = node.inputs[:1] if node.op_type in _MOVES else node.inputs
    return node.op_type in _INTEGER | _MOVES and all(
        value is None or value in integers or _holds_integers(value) for value in values
    )


def _mode(node: ir.Node) -> str:
    return node.attributes["mode"].as_string() if "mode" in node.attributes else "nearest"


def _holds_integers(value: ir.Value) -> bool:
    array = constant(value)
    return array is not None and array.dtype.kind in "fiub" and bool((array == np.round(array)).all())


def _range_of(node: ir.Node, ranges: dict[ir.Value, Interval], integers: set[ir.Value]) -> Interval:
    rule = _RULES.get(node.op_type)
    if rule is None or node.domain:
        return UNKNOWN
    operands = [_interval(value, ranges) for value in node.inputs]
    if node.op_type == "Where":
        operands = _without_zero(node, operands, integers)
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


def _without_zero(node: ir.Node, operands: list[Interval], integers: set[ir.Value]) -> list[Interval]:
    """Ranges of `where(s == 0, a, s)` and `where(s > 0, s, a)`: an integer s that is not 0 is at least 1."""
    condition = node.inputs[0].producer() if node.inputs[0] is not None else None
    if condition is None or len(condition.inputs) != 2:
        return operands
    compared, limit = condition.inputs
    array = constant(limit)
    branch = {"Equal": 2, "Greater": 1}.get(condition.op_type)
    if branch is None or array is None or array.any() or compared is None:
        return operands
    if node.inputs[branch] is compared and compared in integers and operands[branch][0] >= 0:
        operands[branch] = (max(operands[branch][0], 1.0), max(operands[branch][1], 1.0))
    return operands


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


_TRUTH = frozenset({"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"})
"""Operators that give 0 or 1."""

_MOVES = frozenset(
    {
        "Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Tile",
        "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that give values of their first operand, or (Resize) values between them."""

_INTEGER = frozenset({"Add", "Clip", "Concat", "Conv", "Max", "MaxPool", "Min", "Mul", "Neg", "Relu", "Sub", "Where"})
"""Operators that give integers for integers."""

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
    **dict.fromkeys(_TRUTH, _truth),
    **dict.fromkeys(_MOVES, _same),
}

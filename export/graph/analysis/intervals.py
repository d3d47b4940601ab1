"""Interval arithmetic over ONNX operators: from the ranges of a node's operands to the range of its result."""

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ..ir_tools import FLOATS, constant
from ..operators import TRUTH, WITHIN_RANGE

Interval = tuple[float, float]

UNKNOWN: Interval = (-math.inf, math.inf)

LARGEST_FP16 = 65504.0
"""The largest finite value of FP16."""


def fits_fp16(interval: Interval) -> bool:
    """Whether FP16 holds every value of an interval without overflow."""
    return -LARGEST_FP16 <= interval[0] and interval[1] <= LARGEST_FP16


def range_of(node: ir.Node, operands: list[Interval]) -> Interval:
    """The range of the first output of `node`; `UNKNOWN` where no rule tells."""
    if node.op_type not in RULES or node.domain:
        return UNKNOWN
    low, high = RULES[node.op_type](node, operands)
    return UNKNOWN if math.isnan(low) or math.isnan(high) else (low, high)


def constant_range(value: ir.Value | None) -> Interval:
    """The range of a constant; `UNKNOWN` for anything else."""
    array = constant(value)
    if array is None or array.size == 0 or array.dtype.kind not in "fiub":
        return UNKNOWN
    return float(array.min()), float(array.max())


def resize_mode(node: ir.Node) -> str:
    """`nearest`, `linear` or `cubic`."""
    return node.attributes["mode"].as_string() if "mode" in node.attributes else "nearest"


def reduced_elements(node: ir.Node) -> int | None:
    """How many elements a reduction takes together, if that is static."""
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if shape is None:
        return None
    chosen = range(len(shape)) if axes is None else [int(axis) for axis in axes.reshape(-1)]
    sizes = [shape[axis] for axis in chosen]
    static = [size for size in sizes if isinstance(size, int)]
    return math.prod(static) if len(static) == len(sizes) else None


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


def _pad(node: ir.Node, operands: list[Interval]) -> Interval:
    if "mode" in node.attributes and node.attributes["mode"].as_string() != "constant":
        return operands[0]
    value = operands[2] if len(node.inputs) > 2 and node.inputs[2] is not None else (0.0, 0.0)
    return _hull(node, [operands[0], value])


def _resize(node: ir.Node, operands: list[Interval]) -> Interval:
    return UNKNOWN if resize_mode(node) == "cubic" else operands[0]  # cubic overshoots


def _cast(node: ir.Node, operands: list[Interval]) -> Interval:
    target = ir.DataType(node.attributes["to"].as_int())
    if target == ir.DataType.BOOL:
        return 0.0, 1.0
    if target in FLOATS:
        return operands[0]
    low, high = operands[0]
    return (math.trunc(low), math.trunc(high)) if math.isfinite(low) and math.isfinite(high) else UNKNOWN


def _constant_of_shape(node: ir.Node, _: list[Interval]) -> Interval:
    number = float(node.attributes["value"].as_tensor().numpy().reshape(-1)[0]) if "value" in node.attributes else 0.0
    return number, number


def _reduce_sum(node: ir.Node, operands: list[Interval]) -> Interval:
    count = reduced_elements(node)
    low, high = operands[0]
    return (count * low, count * high) if count is not None else UNKNOWN


def _absolute(_: ir.Node, operands: list[Interval]) -> Interval:
    low, high = operands[0]
    return max(low, -high, 0.0), max(-low, high)


def _rounded(rounding: Callable[[float], int], number: float) -> float:
    return float(rounding(number)) if math.isfinite(number) else number


def _product_of_fractions(_: ir.Node, operands: list[Interval]) -> Interval:
    """Of numbers between 0 and 1, as masks are."""
    return (0.0, 1.0) if 0 <= operands[0][0] and operands[0][1] <= 1 else UNKNOWN


def _same(_: ir.Node, operands: list[Interval]) -> Interval:
    return operands[0]


def _where(node: ir.Node, operands: list[Interval]) -> Interval:
    if operands[0] in ((0, 0), (1, 1)):
        return operands[1] if operands[0] == (1, 1) else operands[2]
    return _hull(node, operands[1:])


def _equal(_: ir.Node, operands: list[Interval]) -> Interval:
    (low, high), (other_low, other_high) = operands
    if high < other_low or other_high < low:
        return 0.0, 0.0
    return (1.0, 1.0) if low == high == other_low == other_high else (0.0, 1.0)


def _greater(_: ir.Node, operands: list[Interval]) -> Interval:
    (low, high), (other_low, other_high) = operands
    if low > other_high:
        return 1.0, 1.0
    return (0.0, 0.0) if high <= other_low else (0.0, 1.0)


def _truth(_: ir.Node, __: list[Interval]) -> Interval:
    return 0.0, 1.0


RULES: dict[str, Callable[[ir.Node, list[Interval]], Interval]] = {
    "Add": _corners(lambda a, b: a + b),
    "Sub": _corners(lambda a, b: a - b),
    "Mul": _corners(_times),
    "Div": _divide,
    "Reciprocal": _reciprocal,
    "Min": lambda _, operands: (min(o[0] for o in operands), min(o[1] for o in operands)),
    "Max": lambda _, operands: (max(o[0] for o in operands), max(o[1] for o in operands)),
    "Neg": lambda _, operands: (-operands[0][1], -operands[0][0]),
    "Relu": lambda _, operands: (max(operands[0][0], 0.0), max(operands[0][1], 0.0)),
    "Abs": _absolute,
    "Ceil": lambda _, operands: (_rounded(math.ceil, operands[0][0]), _rounded(math.ceil, operands[0][1])),
    "Floor": lambda _, operands: (_rounded(math.floor, operands[0][0]), _rounded(math.floor, operands[0][1])),
    "Round": lambda _, operands: (_rounded(round, operands[0][0]), _rounded(round, operands[0][1])),
    "Sigmoid": lambda *_: (0.0, 1.0),
    "Sign": lambda _, operands: (float(np.sign(operands[0][0])), float(np.sign(operands[0][1]))),
    "Tanh": lambda *_: (-1.0, 1.0),
    "Clip": _clip,
    "Conv": _convolve,
    "Concat": _hull,
    "Where": _where,
    "AveragePool": _hull_with_zero,
    "MaxPool": _hull_with_zero,
    "Pad": _pad,
    "ReduceSum": _reduce_sum,
    "ReduceProd": _product_of_fractions,
    "ConstantOfShape": _constant_of_shape,
    **dict.fromkeys(TRUTH, _truth),
    "Equal": _equal,
    "Greater": _greater,
    **dict.fromkeys(WITHIN_RANGE, _same),
    "Cast": _cast,
    "Resize": _resize,
}

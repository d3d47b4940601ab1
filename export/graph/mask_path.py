"""Mask-path analysis: which values depend on the mask and on no image value, and what range they have.

The mask path of a network is found in the graph, not by the class that made it: a value is on it when the mask reaches
it and no image value does. Shapes do not count as image values, so a mask built with `ones_like(features)` is still a
mask.

Ranges are intervals that hold for every mask of zeros and ones, propagated from the mask input, together with which
values are integers. They tell what fits FP16 and what cannot be zero.
"""

import math
from collections.abc import Callable, Container
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from .ir_tools import FLOATS, constant

Interval = tuple[float, float]

UNKNOWN: Interval = (-math.inf, math.inf)


@dataclass(frozen=True)
class MaskPath:
    """The result of `analyse_mask_path`.

    Args:
        mask_only: values that depend on the mask and on no image value.
        image_dependent: values that depend on the image.
        ranges: an interval for each value that depends on no image value.
        integers: those of them that are integers.
    """

    mask_only: frozenset[ir.Value]
    image_dependent: frozenset[ir.Value]
    ranges: dict[ir.Value, Interval]
    integers: frozenset[ir.Value] = frozenset()

    def with_mask_value(self, value: ir.Value) -> "MaskPath":
        """The same with one more value of the mask path, whose range is not known."""
        return replace(self, mask_only=self.mask_only | {value}, ranges={**self.ranges, value: UNKNOWN})


def analyse_mask_path(model: ir.Model, image: str = "image", mask: str = "mask") -> MaskPath:
    """Find the mask path of a model whose inputs are called `image` and `mask`; the mask holds zeros and ones."""
    inputs = {value.name: value for value in model.graph.inputs}
    image_dependent = {value for name, value in inputs.items() if name == image}
    mask_only = {value for name, value in inputs.items() if name == mask}
    ranges: dict[ir.Value, Interval] = dict.fromkeys(mask_only, (0.0, 1.0))
    integers = set(mask_only)
    for node in model.graph:
        if node.op_type in ("Constant", "Shape", "Size"):
            continue
        # Of its second operand CastLike takes the type alone.
        values = node.inputs[:1] if node.op_type == "CastLike" else node.inputs
        if any(value in image_dependent for value in values):
            image_dependent.update(node.outputs)
            continue
        if any(value in mask_only for value in values):
            mask_only.update(node.outputs)
        # Constants that are made in the graph, such as an expanded one, have a range as well.
        for output in node.outputs:
            ranges[output] = _range_of(node, ranges, integers)
            if _is_integer(node, integers):
                integers.add(output)
    return MaskPath(frozenset(mask_only), frozenset(image_dependent), ranges, frozenset(integers))


def _is_integer(node: ir.Node, integers: set[ir.Value]) -> bool:
    if node.op_type in _TRUTH:
        return True
    if node.op_type == "ConstantOfShape":
        return _constant_of_shape(node, [])[0].is_integer()
    if node.op_type in ("GlobalAveragePool", "ReduceMean") or (node.op_type == "Resize" and _mode(node) != "nearest"):
        return False
    if node.op_type == "Cast" and node.attributes["to"].as_int() not in FLOATS:
        return True
    values = node.inputs[:1] if node.op_type in _MOVES | {"ReduceSum"} else node.inputs
    return node.op_type in _INTEGER | _MOVES and all(
        value is None or value in integers or _holds_integers(value) for value in values
    )


def _mode(node: ir.Node) -> str:
    return node.attributes["mode"].as_string() if "mode" in node.attributes else "nearest"


def find_divisor(value: ir.Value, mask_path: MaskPath) -> ir.Value | None:
    """The first value of the mask path that is divided by on the way to `value`, itself on the mask path."""
    waiting, seen = [value], set()
    while waiting:
        current = waiting.pop(0)
        node = current.producer()
        if node is None or current in seen or current not in mask_path.mask_only:
            continue
        seen.add(current)
        divisor = {"Div": 1, "Reciprocal": 0}.get(node.op_type)
        if divisor is not None and node.inputs[divisor] in mask_path.mask_only:
            return node.inputs[divisor]
        if node.op_type in ("Mul", "Cast", "Identity", "Where", "Clip", "Expand"):
            waiting += [operand for operand in node.inputs if operand is not None]
    return None


def range_where_all_is_known(value: ir.Value, divisor: ir.Value, mask_path: MaskPath) -> Interval:
    """The range of a value of the mask path where the mask sum that `divisor` comes from has its largest value."""
    root = _root(divisor)
    high = mask_path.ranges.get(root, UNKNOWN)[1]
    return _range_within(value, {root: (high, high)}, mask_path.ranges, mask_path.integers, depth=12)


def _range_within(
    value: ir.Value | None,
    known: dict[ir.Value, Interval],
    ranges: dict[ir.Value, Interval],
    integers: Container[ir.Value],
    depth: int,
) -> Interval:
    """The range of `value`, computed anew from `known` values; at most `depth` nodes back."""
    if value is None:
        return UNKNOWN
    if value in known:
        return known[value]
    node = value.producer()
    if node is None or value not in ranges or depth == 0 or node.op_type not in _POINTWISE:
        return _interval(value, ranges)
    operands = [_range_within(operand, known, ranges, integers, depth - 1) for operand in node.inputs]
    known[value] = _apply(node, operands, integers)
    return known[value]


def _root(value: ir.Value) -> ir.Value:
    """The one value that `value` is a pointwise function of, such as the mask sum; `value` itself if there are more."""
    node = value.producer()
    if node is None or node.op_type not in _POINTWISE:
        return value
    roots = {_root(operand) for operand in node.inputs if operand is not None and constant(operand) is None}
    return roots.pop() if len(roots) == 1 else value


def _holds_integers(value: ir.Value) -> bool:
    array = constant(value)
    return array is not None and array.dtype.kind in "fiub" and bool((array == np.round(array)).all())


def _range_of(node: ir.Node, ranges: dict[ir.Value, Interval], integers: set[ir.Value]) -> Interval:
    if node.op_type not in _RULES or node.domain:
        return UNKNOWN
    found = _apply(node, [_interval(value, ranges) for value in node.inputs], integers)
    return _masked_product(node, found, ranges, integers) if node.op_type == "Mul" else found


def _apply(node: ir.Node, operands: list[Interval], integers: Container[ir.Value]) -> Interval:
    if node.op_type == "Where":
        operands = _without_zero(node, operands, integers)
    low, high = _RULES[node.op_type](node, operands)
    return UNKNOWN if math.isnan(low) or math.isnan(high) else (low, high)


def _masked_product(
    node: ir.Node, found: Interval, ranges: dict[ir.Value, Interval], integers: Container[ir.Value]
) -> Interval:
    """`f(s) * clamp(s, 0, 1)`: zero where s is 0, so that f counts only from 1 on."""
    for factor, other in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        clamp = factor.producer() if factor is not None else None
        if clamp is None or other is None or clamp.op_type != "Clip" or ranges.get(factor) != (0, 1):
            continue
        total = clamp.inputs[0]
        if total is not None and total in integers and total in ranges and ranges[total][0] >= 0:
            known = {total: (1.0, max(ranges[total][1], 1.0))}
            low, high = _range_within(other, known, ranges, integers, depth=12)
            return max(found[0], min(low, 0.0)), min(found[1], max(high, 0.0))
    return found


def _interval(value: ir.Value | None, ranges: dict[ir.Value, Interval]) -> Interval:
    if value is None:
        return UNKNOWN
    if value in ranges:
        return ranges[value]
    array = constant(value)
    if array is None or array.size == 0 or array.dtype.kind not in "fiub":
        return UNKNOWN
    return float(array.min()), float(array.max())


def _without_zero(node: ir.Node, operands: list[Interval], integers: Container[ir.Value]) -> list[Interval]:
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


def _pad(node: ir.Node, operands: list[Interval]) -> Interval:
    if "mode" in node.attributes and node.attributes["mode"].as_string() != "constant":
        return operands[0]
    value = operands[2] if len(node.inputs) > 2 and node.inputs[2] is not None else (0.0, 0.0)
    return _hull(node, [operands[0], value])


def _resize(node: ir.Node, operands: list[Interval]) -> Interval:
    return UNKNOWN if _mode(node) == "cubic" else operands[0]  # cubic overshoots


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
    count = _reduced_elements(node)
    low, high = operands[0]
    return (count * low, count * high) if count is not None else UNKNOWN


def _reduced_elements(node: ir.Node) -> int | None:
    """How many elements a reduction takes together, if that is static."""
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if shape is None:
        return None
    chosen = range(len(shape)) if axes is None else [int(axis) for axis in axes.reshape(-1)]
    sizes = [shape[axis] for axis in chosen]
    static = [size for size in sizes if isinstance(size, int)]
    return math.prod(static) if len(static) == len(sizes) else None


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


_TRUTH = frozenset({"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"})
"""Operators that give 0 or 1."""

_MOVES = frozenset(
    {
        "Cast", "Expand", "Flatten", "Gather", "GlobalAveragePool", "Identity", "ReduceMax", "ReduceMean", "ReduceMin",
        "Reshape", "Resize", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that give values of their first operand, or (Resize) values between them."""

_INTEGER = frozenset(
    {"Add", "Clip", "Concat", "Conv", "Max", "MaxPool", "Min", "Mul", "Neg", "ReduceSum", "Relu", "Sub", "Where"}
)
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
    "Where": _where,
    "AveragePool": _hull_with_zero,
    "MaxPool": _hull_with_zero,
    "Pad": _pad,
    "ReduceSum": _reduce_sum,
    "ConstantOfShape": _constant_of_shape,
    **dict.fromkeys(_TRUTH, _truth),
    "Equal": _equal,
    "Greater": _greater,
    **dict.fromkeys(_MOVES, _same),
    "Cast": _cast,
    "Resize": _resize,
}

_POINTWISE = _TRUTH | {
    "Add", "Cast", "Clip", "Div", "Expand", "Identity", "Max", "Min", "Mul", "Neg", "Reciprocal", "Relu", "Sub",
    "Where",
}  # fmt: skip
"""Operators whose result at a place depends on their operands at that place alone."""

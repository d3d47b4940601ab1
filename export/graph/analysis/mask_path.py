"""Mask-path analysis: which values depend on the mask and on no image value, and what they can be.

The mask path of a network is found in the graph, not by the class that made it: a value is on it when the mask reaches
it and no image value does; a sketch counts as an image value. Shapes do not count as image values, so a mask built
with `ones_like(features)` is still a mask.

What a value can be is found for every mask of zeros and ones. Sums of a mask have few values, and everything pointwise
after one such sum, its *root*, is evaluated on all of them: the table of `9 / (s + 1e-8) * clamp(s, 0, 1)` for
`s = 0 ... 9` says exactly how large that gets, whatever way it is written. Elsewhere intervals are propagated.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from ..ir_tools import Array, constant
from ..operators import KEEP_DIVISOR, POINTWISE, QUERIES
from .intervals import UNKNOWN, Interval, constant_range, range_of
from .value_steps import step_of

MOST_VALUES = 2**16
"""How many values a root may have for them to be tried."""

SAMPLES = 257
"""How many values of a root without a step are tried, which tells how a ratio is scaled but proves no range."""


@dataclass(frozen=True)
class Table:
    """A value as a function of its root: `values[i]` where the root is its i-th value, the smallest first.

    Args:
        root: the value it is a pointwise function of; the value itself for a root.
        values: float64 or bool, one for each value of the root.
        complete: whether these are all the values the root has, or samples.
    """

    root: ir.Value
    values: Array
    complete: bool


@dataclass(frozen=True)
class MaskPath:
    """The result of `analyse_mask_path`.

    Args:
        mask_only: values that depend on the mask and on no image value.
        image_dependent: values that depend on the image.
        ranges: an interval for each value that depends on no image value.
        tables: what is known of values that are pointwise functions of one root.
    """

    mask_only: frozenset[ir.Value]
    image_dependent: frozenset[ir.Value]
    ranges: dict[ir.Value, Interval]
    tables: dict[ir.Value, Table] = field(default_factory=dict)

    def holds_zeros_and_ones(self, value: ir.Value | None) -> bool:
        """Whether a value is proven to be a mask: nothing but zeros and ones."""
        table = self.tables.get(value) if value is not None else None
        return table is not None and table.complete and set(table.values.tolist()) <= {0, 1}

    def with_mask_value(self, value: ir.Value) -> "MaskPath":
        """The same with one more value of the mask path, whose range is not known."""
        return replace(self, mask_only=self.mask_only | {value}, ranges={**self.ranges, value: UNKNOWN})


def analyse_mask_path(model: ir.Model, image: str = "image", mask: str = "mask") -> MaskPath:
    """Find the mask path of a model whose inputs are called `image` and `mask`; the mask holds zeros and ones."""
    return _Analysis(model, image, mask).result()


def find_divisor(value: ir.Value, mask_path: MaskPath) -> ir.Value | None:
    """The first value of the mask path that is divided by on the way to `value`, itself on the mask path."""
    waiting, seen = [value], set()
    while waiting:
        current = waiting.pop(0)
        node = current.producer()
        if node is None or current in seen or current not in mask_path.mask_only:
            continue
        seen.add(current)
        divisor = {"Div": 1, "Reciprocal": 0, "Pow": 0}.get(node.op_type)
        if divisor is not None and node.inputs[divisor] in mask_path.mask_only and _divides(node):
            return node.inputs[divisor]
        if node.op_type in KEEP_DIVISOR:
            waiting += [operand for operand in node.inputs if operand is not None]
    return None


def _divides(node: ir.Node) -> bool:
    exponent = constant(node.inputs[1]) if node.op_type == "Pow" else None
    return node.op_type != "Pow" or (exponent is not None and bool((exponent < 0).all()))


def value_where_all_is_known(value: ir.Value, divisor: ir.Value, mask_path: MaskPath) -> float | None:
    """What a ratio is where its mask sum is as large as it gets; of a sum of holes, where it is as small.

    None where that is not one positive number, or where the ratio is no function of the sum that it is divided by.
    """
    table, divided = mask_path.tables.get(value), mask_path.tables.get(divisor)
    if table is None or divided is None or table.root is not divided.root:
        return None
    ends = (float(table.values[-1]), float(table.values[0]))
    return next((end for end in ends if end > 0 and math.isfinite(end)), None)


class _Analysis:
    """One walk through a graph, in its order."""

    def __init__(self, model: ir.Model, image: str, mask: str):
        inputs = {value.name: value for value in model.graph.inputs}
        self.image_dependent = {value for name, value in inputs.items() if name in (image, "sketch")}
        self.mask_only = {value for name, value in inputs.items() if name == mask}
        self.ranges: dict[ir.Value, Interval] = dict.fromkeys(self.mask_only, (0.0, 1.0))
        self.steps: dict[ir.Value, float] = dict.fromkeys(self.mask_only, 1.0)
        self.tables: dict[ir.Value, Table] = {}
        self.opset = model.opset_imports.get("", 20)
        for value in self.mask_only:
            self._make_root(value)
        for node in model.graph:
            self._visit(node)

    def result(self) -> MaskPath:
        return MaskPath(frozenset(self.mask_only), frozenset(self.image_dependent), self.ranges, self.tables)

    def _visit(self, node: ir.Node) -> None:
        if node.op_type in QUERIES | {"Constant"}:
            return
        # Of its second operand CastLike takes only the type.
        values = node.inputs[:1] if node.op_type == "CastLike" else node.inputs
        if any(value in self.image_dependent for value in values):
            self.image_dependent.update(node.outputs)
            return
        on_mask_path = any(value in self.mask_only for value in values)
        if on_mask_path:
            self.mask_only.update(node.outputs)
        # Constants that are made in the graph, such as an expanded one, have a range as well.
        found = range_of(node, [self._interval(value) for value in node.inputs])
        step = step_of(node, self.steps)
        table = self._evaluate(node) if on_mask_path else None
        for output in node.outputs:
            self.ranges[output] = found if table is None or not table.complete else _hull(table)
            if step is not None and math.isfinite(step):
                self.steps[output] = step
            if table is not None:
                self.tables[output] = table
            elif on_mask_path:
                self._make_root(output)

    def _interval(self, value: ir.Value | None) -> Interval:
        if value is None:
            return UNKNOWN
        return self.ranges[value] if value in self.ranges else constant_range(value)

    def _make_root(self, value: ir.Value) -> None:
        low, high = self.ranges[value]
        if not (math.isfinite(low) and math.isfinite(high)):
            return
        step = self.steps.get(value)
        count = round((high - low) / step) + 1 if step is not None else 0
        if 0 < count <= MOST_VALUES:
            self.tables[value] = Table(value, np.linspace(low, high, count), complete=True)
        else:
            self.tables[value] = Table(value, np.linspace(low, high, SAMPLES), complete=False)

    def _evaluate(self, node: ir.Node) -> Table | None:
        """The table of a pointwise node with one root; None for other nodes."""
        if node.op_type not in POINTWISE or node.domain or len(node.outputs) != 1:
            return None
        tables = [self.tables[value] for value in node.inputs if value in self.tables]
        if not tables or any(table.root is not tables[0].root for table in tables):
            return None
        operands = list(self._operands(node))
        if any(operand is None for operand in operands):
            return None
        feed = {f"x{i}": operand for i, operand in enumerate(operands) if operand is not None and operand.size}
        values = _run(node, feed, len(operands), self.opset)
        if values is None or values.shape != tables[0].values.shape:
            return None
        return Table(tables[0].root, values, all(table.complete for table in tables))

    def _operands(self, node: ir.Node) -> Iterator[Array | None]:
        """For each operand its table or one number, in its own type; an empty array for what is absent or ignored."""
        for index, value in enumerate(node.inputs):
            if value is None or (node.op_type == "Expand" and index == 1):
                yield np.zeros(0)
                continue
            dtype = value.dtype.numpy() if value.dtype is not None else None
            if value in self.tables and dtype is not None:
                yield self.tables[value].values.astype(dtype)
                continue
            array = constant(value)
            low, high = self._interval(value)
            if array is not None and array.size == 1:
                yield array.reshape(())
            elif low == high and dtype is not None:
                yield np.array(low, dtype=dtype)
            else:
                yield None


def _run(node: ir.Node, feed: dict[str, Array], count: int, opset: int) -> Array | None:
    """The node over one-dimensional operands `x0`, `x1`, ...; of Expand, its first operand."""
    if node.op_type == "Expand":
        return feed["x0"]
    names = [f"x{i}" if f"x{i}" in feed else "" for i in range(count)]
    proto = ir.serde.serialize_node(node)
    del proto.input[:], proto.output[:]
    proto.input.extend(names)
    proto.output.append("y")
    with np.errstate(all="ignore"):
        try:
            (values,) = ReferenceEvaluator(proto, opsets={"": opset}).run(None, feed)
        except Exception:  # an operand type the reference lacks; the interval then has to do
            return None
    return np.asarray(values)


def _hull(table: Table) -> Interval:
    low, high = float(table.values.min()), float(table.values.max())
    return UNKNOWN if math.isnan(low) or math.isnan(high) else (low, high)

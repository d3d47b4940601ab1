"""The narrow form of each wide value of the mask path, [N,G,H,W], and the sizes of its groups."""

import itertools
import math

import numpy as np
import onnx_ir as ir

from ...analysis.mask_path import MaskPath
from ...ir_tools import Array, add_constant, channels, constant, insert_before
from ...report import PassReport

Groups = tuple[int, ...]
Form = tuple[ir.Value, Groups]


class NarrowForms:
    """What is known of one graph: for each wide value the narrow one, and how many channels each group stands for."""

    def __init__(self, graph: ir.Graph, mask_path: MaskPath, report: PassReport):
        self.graph = graph
        self.mask_path = mask_path
        self.report = report
        self.narrow: dict[ir.Value, ir.Value] = {}
        self.groups: dict[ir.Value, Groups] = {}

    def set(self, wide: ir.Value, narrow: ir.Value, groups: Groups) -> None:
        """Let `narrow` stand for `wide`."""
        self.narrow[wide] = narrow
        self.groups[wide] = groups
        self.report.planes[str(wide.name)] = len(groups)

    def of(self, value: ir.Value | None) -> Form | None:
        """Narrow form and groups of an operand; what has none is its own, with a group for each channel."""
        if value is None:
            return None
        if value in self.narrow:
            return self.narrow[value], self.groups[value]
        count = channels(value)
        return (value, (1,) * count) if value in self.mask_path.mask_only and count is not None else None

    def operand(self, value: ir.Value | None, sizes: Groups) -> ir.Value | None:
        """What stands for an operand beside values of these groups; None if it has no such form."""
        if value is None:
            return None
        if value in self.narrow:
            return self.narrow[value]
        array = constant(value)
        if array is None:
            return value if channels(value) == 1 and value in self.mask_path.mask_only else None
        if array.size == 1:
            return value
        reduced = _reduce_constant(array, sizes)
        return None if reduced is None else add_constant(self.graph, f"{value.name}_narrow", reduced)

    def repeat_node(
        self, node: ir.Node, inputs: list[ir.Value | None], like: ir.Value, size: int, without: str = ""
    ) -> ir.Value:
        """The node again, over narrow operands, and without one of its attributes."""
        attributes = {name: attribute for name, attribute in node.attributes.items() if name != without}
        narrow = insert_before(node, node.op_type, inputs, attributes, like=like)
        assert like.shape is not None
        narrow.shape = ir.Shape([like.shape[0], size, like.shape[2], like.shape[3]])
        return narrow

    def take(self, node: ir.Node, form: Form, start: int, end: int, output: ir.Value) -> None:
        """Let the groups that reach into channels `start` to `end` of a narrow form stand for `output`."""
        value, groups = form
        edges = np.cumsum((0, *groups))
        sizes = [max(0, min(end, int(high)) - max(start, int(low))) for low, high in itertools.pairwise(edges)]
        taken = [index for index, size in enumerate(sizes) if size]
        if not taken or channels(value) != len(groups):
            return
        if len(taken) < len(groups):
            index = add_constant(self.graph, "groups", np.array(taken, np.int64))
            cut = insert_before(node, "Gather", [value, index], {"axis": 1}, like=output)
            assert output.shape is not None
            cut.shape = ir.Shape([output.shape[0], len(taken), *list(output.shape)[2:]])
            value = cut
        self.set(output, value, tuple(sizes[index] for index in taken))


def _reduce_constant(array: Array, sizes: Groups) -> Array | None:
    """One channel for each group of a constant that is the same within every group, or None."""
    if array.ndim < 3 or array.shape[-3] not in (1, math.fsum(sizes)):
        return None
    if array.shape[-3] == 1:
        return array
    edges = np.cumsum((0, *sizes))
    parts = np.split(array, edges[1:-1], axis=-3)
    if not all(bool((part == part.take([0], axis=-3)).all()) for part in parts):
        return None
    return np.concatenate([part.take([0], axis=-3) for part in parts], axis=-3)

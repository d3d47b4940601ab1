"""Sums of sums and means of means along different axes become one, which runs along memory and not across it.

::

    sum(sum(x over a) over b)  =  sum(x over a and b)           where both keep their axes
"""

import numpy as np
import onnx_ir as ir

from ..ir_tools import add_constant, constant, insert_before, only_use, replace_output

REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin")


def merge_sums(graph: ir.Graph) -> None:
    """Merge, in place, each reduction into the one before it where that has no other use and other axes."""
    for node in list(graph):
        if node.op_type not in REDUCTIONS or node.domain:
            continue
        before = only_use(node.inputs[0], node.op_type)
        axes, others = _axes(node), _axes(before) if before is not None else None
        if before is None or axes is None or others is None or set(axes) & set(others):
            continue
        numbers = add_constant(graph, "merged_axes", np.array(sorted({*axes, *others}), np.int64))
        merged = insert_before(
            node, node.op_type, [before.inputs[0], numbers], {"keepdims": 1}, like=node.outputs[0],
            name=f"{node.outputs[0].name}_merged",
        )  # fmt: skip
        replace_output(node.outputs[0], merged)
        graph.remove(node, safe=True)
        graph.remove(before, safe=True)


def _axes(node: ir.Node) -> list[int] | None:
    """The axes of a reduction that keeps them; None if it does not, or they are not known."""
    keeps = node.attributes["keepdims"].as_int() if "keepdims" in node.attributes else 1
    given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    value = node.inputs[0]
    if not keeps or given is None or not given.size or value is None or value.shape is None:
        return None
    return [int(axis) % len(value.shape) for axis in given.reshape(-1)]

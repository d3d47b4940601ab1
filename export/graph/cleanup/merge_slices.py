"""Slices of slices along different axes become one: each copies what it keeps, and attention slices large matrices."""

import numpy as np
import onnx_ir as ir

from ..ir_tools import add_constant, constant, insert_before, only_use, replace_output

PARAMETERS = ("starts", "ends", "axes", "steps")


def merge_slices(graph: ir.Graph) -> None:
    """Merge, in place, each slice into the one before it where that has no other use and other axes."""
    for node in list(graph):
        if node.op_type != "Slice" or node.domain:
            continue
        before = only_use(node.inputs[0], "Slice")
        if before is None or not _have_axes_apart(before, node):
            continue
        inputs: list[ir.Value | None] = [before.inputs[0]]
        for index, name in enumerate(PARAMETERS, start=1):
            inputs.append(_join(graph, node, before.inputs[index], node.inputs[index], name))
        output = node.outputs[0]
        merged = insert_before(node, "Slice", inputs, like=output, name=f"{output.name}_merged")
        replace_output(output, merged)
        graph.remove(node, safe=True)
        graph.remove(before, safe=True)


def _have_axes_apart(first: ir.Node, second: ir.Node) -> bool:
    axes = []
    for node in (first, second):
        if len(node.inputs) != len(PARAMETERS) + 1 or any(value is None for value in node.inputs):
            return False
        array = constant(node.inputs[3])
        if array is None or (array < 0).any():
            return False
        axes += array.reshape(-1).tolist()
    return len(set(axes)) == len(axes)


def _join(graph: ir.Graph, anchor: ir.Node, first: ir.Value | None, second: ir.Value | None, name: str) -> ir.Value:
    arrays = [array for array in (constant(first), constant(second)) if array is not None]
    if len(arrays) == 2:
        return add_constant(graph, f"merged_{name}", np.concatenate(arrays))
    return insert_before(anchor, "Concat", [first, second], {"axis": 0}, dtype=ir.DataType.INT64)

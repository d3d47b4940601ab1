"""`values[condition] = number` as a choice.

PyTorch exports the assignment as a list of the places where the condition holds (NonZero) into which the number is
scattered (ScatterND). TensorRT-RTX has no NonZero, and nothing sees what the result can be. It is a choice::

    scatter(x, nonzero(c), [a, a, ...])  =  where(c, a, x)
"""

import numpy as np
import onnx_ir as ir

from ..ir_tools import add_constant, constant, insert_before, only_use, replace_output


def assignments_to_choices(graph: ir.Graph) -> None:
    """Rewrite, in place, assignments of one number to the places of a condition as large as what is assigned to."""
    for node in list(graph):
        if node.op_type != "ScatterND" or node.domain or _reduces(node):
            continue
        target, places, numbers = node.inputs
        condition = _condition(places)
        number = _one_number(numbers)
        if target is None or condition is None or number is None or target.dtype is None:
            continue
        if condition.shape is None or target.shape is None or condition.shape != target.shape:
            continue
        assigned = add_constant(graph, "assigned", np.array(number, dtype=target.dtype.numpy()))
        replace_output(
            node.outputs[0], insert_before(node, "Where", [condition, assigned, target], like=node.outputs[0])
        )
        graph.remove(node, safe=True)


def _reduces(node: ir.Node) -> bool:
    return "reduction" in node.attributes and node.attributes["reduction"].as_string() != "none"


def _condition(places: ir.Value | None) -> ir.Value | None:
    """What `transpose(nonzero(condition))` lists the places of."""
    turned = only_use(places, "Transpose")
    found = only_use(turned.inputs[0], "NonZero") if turned is not None else None
    condition = found.inputs[0] if found is not None else None
    return condition if condition is not None and condition.dtype == ir.DataType.BOOL else None


def _one_number(value: ir.Value | None) -> float | None:
    """The number that an array is filled with, whatever its size."""
    while value is not None and constant(value) is None:
        node = value.producer()
        if node is None or node.op_type not in ("Expand", "Reshape", "Identity"):
            return None
        value = node.inputs[0]
    array = constant(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

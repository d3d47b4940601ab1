"""A positive factor on features, moved on through what commutes with it (`analysis/homogeneous.py`).

::

    relu(conv_W(k x; b))  =  k relu(conv_W(x; b / k))

Where every way of the features ends at a node that takes the factor over, as the matrix of a Fourier transform back
does, no value between is larger than it needs be. With a power of two, nothing is rounded.
"""

from collections.abc import Callable

import onnx_ir as ir

from ..analysis.homogeneous import added_operands, reason_against
from ..ir_tools import add_constant, constant, describe, replace_output


def move_factor(
    graph: ir.Graph, scaling: ir.Node, takes: Callable[[ir.Node], bool], give: Callable[[ir.Node, float], None]
) -> str | None:
    """Remove a multiplication by a number, in place, and give the number to the nodes its result leads to.

    Args:
        graph: where `scaling` is.
        scaling: Mul of a value and a constant number > 0.
        takes: whether a node can take a factor of its operand over.
        give: has a node take it over.

    Returns:
        None, or why the multiplication stayed; then nothing was changed.
    """
    source, number = scaling.inputs
    array = constant(number)
    assert source is not None
    assert array is not None
    carrying: set[ir.Value] = {scaling.outputs[0]}
    inside: list[ir.Node] = []
    ends: list[ir.Node] = []
    waiting = list(scaling.outputs[0].uses())
    seen: set[ir.Node] = set()
    if scaling.outputs[0].is_graph_output():
        return "it is an output of the network"
    while waiting:
        node = waiting.pop().node
        if node in seen or node.op_type == "Shape":
            continue
        seen.add(node)
        if takes(node):
            ends.append(node)
            continue
        if any(value.is_graph_output() for value in node.outputs):
            return f"it reaches the network's output through {describe(node)}"
        inside.append(node)
        carrying.update(node.outputs)
        waiting += [use for value in node.outputs for use in value.uses()]
    for node in inside:
        reason = reason_against(node, carrying) or _others(node, carrying)
        if reason is not None:
            return f"{describe(node)}: {reason}"
    factor = float(array.reshape(-1)[0])
    for node in inside:
        _divide_constants(graph, node, carrying, factor)
    replace_output(scaling.outputs[0], source)
    graph.remove(scaling, safe=True)
    for node in ends:
        give(node, factor)
    return None


def _others(node: ir.Node, carrying: set[ir.Value]) -> str | None:
    """What is added to the features and is neither a constant nor one of them."""
    for index in added_operands(node):
        value = node.inputs[index]
        if value is not None and value not in carrying and constant(value) is None:
            return f"{value.name} is added to it"
    return None


def _divide_constants(graph: ir.Graph, node: ir.Node, carrying: set[ir.Value], factor: float) -> None:
    for index in added_operands(node):
        value = node.inputs[index]
        array = constant(value)
        if value is not None and value not in carrying and array is not None:
            scaled = add_constant(graph, f"{value.name}_moved", (array / factor).astype(array.dtype))
            node.replace_input_with(index, scaled)

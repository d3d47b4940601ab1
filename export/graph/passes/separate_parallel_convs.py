"""A convolution whose channels go separate ways becomes one for each part: `combine_parallel_convs` turned round.

::

    split(conv_[V; W](x))  =  conv_V(x), conv_W(x)

Every output channel is the same sum. The compiler fuses what follows into each convolution, so a gated layer need not
write its two halves to read them again:

    merged:    read x, write V x and W x;    read both, write elu(V x) sigmoid(W x)
    separate:  read x, write sigmoid(W x);   read x and that, write elu(V x) sigmoid(W x)

which moves less as long as reading `x` once more for each further part is less than the parts together. For FP16 graphs
only: a CPU is faster with one convolution.
"""

import numpy as np
import onnx_ir as ir

from ..ir_tools import add_constant, constant, infer_types, integers, remove_unused
from ..report import PassReport
from .combine_parallel_convs import channel_split


def separate_parallel_convs(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Separate convolutions that only a split along channels uses, where that moves less, in a copy of `model`."""
    model = infer_types(model)
    report = PassReport("separate_parallel_convs")
    for node in list(model.graph):
        if node.op_type == "Conv" and not node.domain:
            sizes = _parts(node)
            if sizes is not None:
                report.change(node)
                _separate(model.graph, node, sizes)
    return remove_unused(model), report


def _parts(node: ir.Node) -> list[int] | None:
    """The channels of the parts of a convolution that is better separate; None of any other."""
    weight = constant(node.inputs[1])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    users = [use.node for use in node.outputs[0].uses()]
    if weight is None or group != 1 or (bias is not None and constant(bias) is None) or len(users) != 1:
        return None
    sizes = channel_split(users[0], len(weight))
    if sizes is None or node.outputs[0].is_graph_output():
        return None
    places = int(np.prod(integers(node, "strides", [1, 1])))  # of the input for each one of the output
    return sizes if (len(sizes) - 1) * weight.shape[1] * places < len(weight) else None


def _separate(graph: ir.Graph, node: ir.Node, sizes: list[int]) -> None:
    weight, bias = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    (split,) = (use.node for use in node.outputs[0].uses())
    assert weight is not None and node.inputs[1] is not None
    name, ends = str(node.inputs[1].name), np.cumsum(sizes)
    for part, size, end in zip(split.outputs, sizes, ends, strict=True):
        inputs = [node.inputs[0], add_constant(graph, f"{name}_part", weight[end - size : end])]
        if bias is not None:
            inputs.append(add_constant(graph, f"{name}_part_bias", bias[end - size : end]))
        own = ir.node("Conv", inputs, dict(node.attributes), num_outputs=1)
        # The part's own name, by which the report on rounding finds what may stay FP32.
        own.outputs[0].type, own.outputs[0].shape, own.outputs[0].name = part.type, part.shape, part.name
        part.name = f"{part.name}_split"
        graph.insert_before(node, own)
        ir.convenience.replace_all_uses_with(part, own.outputs[0])

"""Parallel convolutions over one input become one: a layer's features and gate, or the first layers of two branches.

::

    conv_V(x), conv_W(x)  =  split(conv_[V; W](x))

Every output channel is the same sum as before. The input is read once, and the wider matrix product uses the hardware
better. Where one of the results was split itself, one split remains.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import analyse_mask_path
from ..ir_tools import Array, add_constant, constant, describe, remove_unused
from ..report import PassReport


def combine_parallel_convs(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Merge parallel convolutions of the feature path in a copy of `model`."""
    model = model.clone()
    report = PassReport("combine_parallel_convs")
    features = analyse_mask_path(model).image_dependent
    groups: dict[tuple[object, ...], list[ir.Node]] = defaultdict(list)
    for node in model.graph:
        if node.op_type == "Conv" and not node.domain and node.inputs[0] in features:
            key = _key(node)
            if key is not None:
                groups[key].append(node)
    for nodes in groups.values():
        if len(nodes) > 1:
            report.change(nodes[0])
            merged = _merge(model.graph, nodes)
            report.merged |= {str(node.outputs[0].name): merged for node in nodes}
    return remove_unused(model), report


def _key(node: ir.Node) -> tuple[object, ...] | None:
    """What two convolutions must have in common; None if this one cannot be merged."""
    weight = constant(node.inputs[1])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    if weight is None or group != 1 or (bias is not None and constant(bias) is None):
        return None
    if any(value.is_graph_output() for value in node.outputs):
        return None  # its name is the graph's
    attributes = tuple(sorted((name, str(attribute.value)) for name, attribute in node.attributes.items()))
    return node.inputs[0], weight.shape[1:], weight.dtype, attributes


def _merge(graph: ir.Graph, nodes: Sequence[ir.Node]) -> str:
    """Replace the convolutions by one; the name of its result."""
    first = nodes[0]
    weights = [_required(node.inputs[1]) for node in nodes]
    name = first.inputs[1].name if first.inputs[1] is not None else describe(first)
    inputs = [first.inputs[0], add_constant(graph, f"{name}_merged", np.concatenate(weights))]
    if any(len(node.inputs) > 2 and node.inputs[2] is not None for node in nodes):
        biases = [_bias(node, weight) for node, weight in zip(nodes, weights, strict=True)]
        inputs.append(add_constant(graph, f"{name}_bias_merged", np.concatenate(biases)))
    merged = ir.node("Conv", inputs, dict(first.attributes), num_outputs=1)
    like = first.outputs[0]
    merged.outputs[0].type = like.type
    merged.outputs[0].name = f"{like.name}_merged"
    if like.shape is not None:
        merged.outputs[0].shape = ir.Shape([like.shape[0], sum(map(len, weights)), *list(like.shape)[2:]])
    old, sizes = _parts(nodes, [len(weight) for weight in weights])
    split = ir.node(
        "Split",
        [merged.outputs[0], add_constant(graph, f"{name}_parts", np.array(sizes, np.int64))],
        {"axis": 1},
        num_outputs=len(sizes),
    )
    graph.insert_before(first, [merged, split])
    for value, part in zip(old, split.outputs, strict=True):
        part.type, part.shape, part.name = value.type, value.shape, f"{value.name}_part"
        ir.convenience.replace_all_uses_with(value, part)
    return str(merged.outputs[0].name)


def _parts(nodes: Sequence[ir.Node], widths: Sequence[int]) -> tuple[list[ir.Value], list[int]]:
    """The values that a split of the merged result gives, and their channels."""
    values: list[ir.Value] = []
    sizes: list[int] = []
    for node, width in zip(nodes, widths, strict=True):
        users = [use.node for use in node.outputs[0].uses()]
        inner = channel_split(users[0], width) if len(users) == 1 else None
        if inner is None:
            values.append(node.outputs[0])
            sizes.append(width)
        else:
            values += users[0].outputs
            sizes += inner
    return values, sizes


def channel_split(node: ir.Node, width: int) -> list[int] | None:
    """The sizes of a split of so many channels, if they are constant and no part is an output of the graph."""
    if node.op_type != "Split" or any(value.is_graph_output() for value in node.outputs):
        return None
    if "axis" not in node.attributes or node.attributes["axis"].as_int() != 1:
        return None
    if len(node.inputs) > 1:
        sizes = constant(node.inputs[1])
        return None if sizes is None else [int(size) for size in sizes]
    return [width // len(node.outputs)] * len(node.outputs) if width % len(node.outputs) == 0 else None


def _required(value: ir.Value | None) -> Array:
    array = constant(value)
    assert array is not None
    return array


def _bias(node: ir.Node, weight: Array) -> Array:
    array = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return np.zeros(len(weight), weight.dtype) if array is None else array

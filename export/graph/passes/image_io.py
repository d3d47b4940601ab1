"""`--io image`: everything between an application's pixels and the network, inside the graph, in FP32.

::

    hole      = clip(mask, 0, 1)                       any non-zero uint8 is a hole
    line      = clip(sketch, 0, 1) * hole              lines outside the holes have no effect, as Yu et al. train
    x         = (image / 255 - offset) / scale         and x * (1 - hole) + fill * hole where the network wants it
    composite = where(hole, round(clip((output * scale' + offset') * 255, 0, 255)), image)

TensorRT takes uint8 only where a Cast is the first and the last operation on that tensor. The composite casts pixels
and mask for itself, to FP16 where the graph is FP16 (0..255 is exact): otherwise a GPU's compiler keeps them in FP32
from its first kernel to its last. The network's own values keep the names `output` and `updated_mask`, so that
validation can look at them.
"""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...interface import Interface
from ..ir_tools import add_constant

PREFIX = "network_"


def add_image_io(
    model: ir.Model,
    interface: Interface,
    fixed_hole: NDArray[np.float32] | None = None,
    dtype: ir.DataType = ir.DataType.FLOAT,
) -> ir.Model:
    """A copy of `model` that takes and gives uint8 images.

    Args:
        model: inputs `image`, `mask` unless it is fixed, and `sketch` if it takes one; output `output`.
        interface: what it expects.
        fixed_hole: the fixed mask [1,1,H,W], 1 = hole.
        dtype: FLOAT or FLOAT16, which known pixels and filled ones are joined in.
    """
    model = model.clone()
    graph = model.graph
    network = {str(value.name): value for value in graph.inputs}
    batch, _, height, width = network["image"].shape or (None,) * 4
    image = _tensor("image", ir.DataType.UINT8, (batch, height, width, 3))
    inputs = {"image": image}
    inputs |= {
        name: _tensor(name, ir.DataType.UINT8, (batch, height, width)) for name in ("mask", "sketch") if name in network
    }
    for value in graph.inputs:
        value.name = f"{PREFIX}{value.name}"
    before = _Nodes(graph)
    pixels = before.op("Cast", image, to=ir.DataType.FLOAT)
    hole = _zeros_and_ones(before, inputs["mask"]) if fixed_hole is None else before.constant("hole", fixed_hole)
    known = before.op("Sub", before.number("one", 1.0), hole)
    prepared = _prepare(before, pixels, known, hole, interface)
    given = {"image": prepared, "mask": known if interface.mask_polarity == "valid" else hole}
    if "sketch" in inputs:
        given["sketch"] = before.op("Mul", _zeros_and_ones(before, inputs["sketch"]), hole)
    for name, value in network.items():
        ir.convenience.replace_all_uses_with(value, given[name], replace_graph_outputs=True)
    graph.inputs[:] = list(inputs.values())
    first = graph.node(0) if len(graph) else None
    if first is None:
        graph.extend(before.nodes)
    else:
        graph.insert_before(first, before.nodes)
    after = _Nodes(graph)
    if fixed_hole is None:
        is_hole = after.op("Cast", inputs["mask"], to=ir.DataType.BOOL)
        is_hole = after.op("Unsqueeze", is_hole, after.axis("hole_last_axis", 3))
    else:
        is_hole = after.constant("is_hole", fixed_hole.transpose(0, 2, 3, 1) > 0)
    composite = _compose(after, image, is_hole, graph.outputs[0], interface, dtype)
    composite.name = "composite"
    composite.type, composite.shape = image.type, image.shape
    graph.extend(after.nodes)
    graph.outputs[:] = [composite]
    return model


def _zeros_and_ones(nodes: "_Nodes", plane: ir.Value) -> ir.Value:
    """uint8 [N,H,W] to float32 [N,1,H,W], 1 for whatever is not zero."""
    value = nodes.op("Cast", plane, to=ir.DataType.FLOAT)
    value = nodes.op("Unsqueeze", value, nodes.axis("hole_axis", 1))
    return nodes.op("Clip", value, nodes.number("hole_low", 0.0), nodes.number("hole_high", 1.0))


def _prepare(nodes: "_Nodes", pixels: ir.Value, known: ir.Value, hole: ir.Value, interface: Interface) -> ir.Value:
    offset, scale = interface.normalisation
    value = nodes.op("Transpose", pixels, perm=[0, 3, 1, 2])
    value = nodes.op("Div", value, nodes.number("levels", 255.0))
    if any(offset):
        value = nodes.op("Sub", value, nodes.per_channel("image_offset", offset))
    if any(factor != 1 for factor in scale):
        value = nodes.op("Div", value, nodes.per_channel("image_scale", scale))
    if interface.premask:
        value = nodes.op("Mul", value, known)
        if interface.fill:
            value = nodes.op("Add", value, nodes.op("Mul", hole, nodes.number("fill", interface.fill)))
    return value


def _compose(
    nodes: "_Nodes",
    image: ir.Value,
    is_hole: ir.Value,
    output: ir.Value,
    interface: Interface,
    dtype: ir.DataType,
) -> ir.Value:
    """uint8: `output` [N,3,H,W] where `is_hole` [N,H,W,1], elsewhere `image` [N,H,W,3]."""
    offset, scale = interface.denormalisation
    value = output
    if any(factor != 1 for factor in scale):
        value = nodes.op("Mul", value, nodes.per_channel("image_scale", scale))
    if any(offset):
        value = nodes.op("Add", value, nodes.per_channel("image_offset", offset))
    levels = nodes.number("levels", 255.0)
    value = nodes.op("Mul", value, levels)
    value = nodes.op("Round", nodes.op("Clip", value, nodes.number("black", 0.0), levels))
    value = nodes.op("Transpose", value, perm=[0, 2, 3, 1])
    if dtype != ir.DataType.FLOAT:
        value = nodes.op("Cast", value, to=dtype)
    pixels = nodes.op("Cast", image, to=dtype)
    return nodes.op("Cast", nodes.op("Where", is_hole, value, pixels), to=ir.DataType.UINT8)


class _Nodes:
    """Collects new nodes, which the caller then places."""

    def __init__(self, graph: ir.Graph):
        self.graph = graph
        self.nodes: list[ir.Node] = []
        self.constants: dict[str, ir.Value] = {}

    def op(self, op_type: str, *inputs: ir.Value, **attributes: object) -> ir.Value:
        node = ir.node(op_type, list(inputs), attributes, num_outputs=1)  # type: ignore[arg-type]
        node.outputs[0].name = f"{PREFIX}{op_type.lower()}_{len(self.graph)}_{len(self.nodes)}"
        self.nodes.append(node)
        return node.outputs[0]

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        if name not in self.constants:
            self.constants[name] = add_constant(self.graph, name, array)
        return self.constants[name]

    def axis(self, name: str, axis: int) -> ir.Value:
        return self.constant(name, np.array([axis], np.int64))

    def number(self, name: str, number: float) -> ir.Value:
        return self.constant(name, np.array(number, dtype=np.float32))

    def per_channel(self, name: str, numbers: tuple[float, ...]) -> ir.Value:
        return self.constant(name, np.array(numbers, dtype=np.float32).reshape(1, -1, 1, 1))


def _tensor(name: str, dtype: ir.DataType, shape: tuple[Any, ...]) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))

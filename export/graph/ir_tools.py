"""Small helpers over onnx-ir that several passes share."""

import logging
import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common

from ..quiet import quiet_loggers

Array = NDArray[Any]

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16)


def constant(value: ir.Value | None) -> Array | None:
    """The content of a constant value (an initializer or the output of a Constant node), or None."""
    if value is None:
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def add_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """Register an initializer with a name that is still free."""
    free, number = name, 1
    while free in graph.initializers:
        free, number = f"{name}_{number}", number + 1
    tensor = ir.tensor(array, name=free)
    value = ir.Value(name=free, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
    graph.register_initializer(value)
    return value


def insert_before(
    anchor: ir.Node,
    op: str,
    inputs: list[ir.Value | None],
    attributes: dict[str, Any] | None = None,
    *,
    like: ir.Value | None = None,
    dtype: ir.DataType | None = None,
    name: str | None = None,
) -> ir.Value:
    """Insert a node with one output before `anchor`; the output takes type and shape of `like`, or `dtype`."""
    node = ir.node(op, inputs, attributes or {}, num_outputs=1)
    output = node.outputs[0]
    output.name = name
    if like is not None:
        output.type, output.shape = like.type, like.shape
    if dtype is not None:
        output.type = ir.TensorType(dtype)
    assert anchor.graph is not None
    anchor.graph.insert_before(anchor, node)
    return output


def replace_output(old: ir.Value, new: ir.Value) -> None:
    """Let `new` stand wherever `old` did, graph outputs and the name of a graph output included."""
    if old.is_graph_output():
        old.name, new.name = f"{old.name}_replaced", old.name
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)


def insert_pointwise(
    anchor: ir.Node, op: str, inputs: list[ir.Value | None], like: ir.Value, *, name: str | None = None
) -> ir.Value:
    """Insert a pointwise node before `anchor`: of the type of `like`, and of the shape its operands broadcast to."""
    output = insert_before(anchor, op, inputs, dtype=like.dtype, name=name)
    output.shape = _broadcast([value.shape if value is not None else None for value in inputs])
    return output


def _broadcast(shapes: list[ir.Shape | None]) -> ir.Shape | None:
    if any(shape is None for shape in shapes):
        return None
    known = [list(shape) for shape in shapes if shape is not None]
    rank = max(map(len, known))
    padded = [[1] * (rank - len(sizes)) + sizes for sizes in known]
    result = []
    for sizes in zip(*padded, strict=True):
        wider = [size for size in sizes if size != 1]
        result.append(wider[0] if wider else 1)
    return ir.Shape(result)


def is_float(value: ir.Value | None) -> bool:
    """Whether a value is known to hold floating-point numbers."""
    return value is not None and value.dtype in FLOATS


def only_use(value: ir.Value | None, op: str) -> ir.Node | None:
    """The node that makes `value`, if it is an `op` and `value` is used once and is no output of the graph."""
    if value is None or value.is_graph_output() or len(value.uses()) != 1:
        return None
    node = value.producer()
    return node if node is not None and node.op_type == op and node.domain == "" else None


def channels(value: ir.Value | None) -> int | None:
    """The static number of channels of an [N,C,H,W] value, or None."""
    if value is None or value.shape is None or len(value.shape) != 4:
        return None
    size = value.shape[1]
    return size if isinstance(size, int) else None


def bytes_of(value: ir.Value | None) -> int:
    """The size of a value whose type and shape are known; 0 for any other."""
    if value is None or value.shape is None or value.dtype is None:
        return 0
    sizes = [size for size in value.shape if isinstance(size, int)]
    bits: int = value.dtype.bitwidth
    return math.prod(sizes) * math.ceil(bits / 8) if len(sizes) == len(value.shape) else 0


def integers(node: ir.Node, name: str, default: list[int]) -> list[int]:
    """An attribute that is a list of integers, or `default` where the node has none."""
    return [int(number) for number in node.attributes[name].as_ints()] if name in node.attributes else default


def describe(node: ir.Node) -> str:
    """How a node is called in messages: operator and the name of what it makes."""
    return f"{node.op_type} {node.outputs[0].name}"


def plane(array: Array, rank: int = 4) -> Array:
    """A per-channel vector [C] as [1,C,1,1], ready to broadcast over [N,C,H,W]."""
    return np.asarray(array).reshape(1, -1, *[1] * (rank - 2))


def remove_unused(model: ir.Model) -> ir.Model:
    """A copy of `model` without nodes and initializers that nothing uses."""
    return common.RemoveUnusedNodesPass()(model.clone()).model


def infer_types(model: ir.Model) -> ir.Model:
    """A copy of `model` in which types and shapes are filled in where they can be inferred."""
    # Of a graph with a shape it cannot follow, the pass prints the whole graph.
    with quiet_loggers([common.ShapeInferencePass.__module__], logging.CRITICAL):
        return common.ShapeInferencePass()(model.clone()).model

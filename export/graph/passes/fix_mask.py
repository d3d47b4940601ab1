"""A mask that never changes: the whole mask path becomes constants.

A watermark or a logo is in the same place in every image. The mask path is then evaluated once, here, and its values
where features meet it are stored. A plane that is the same for every image of a batch is stored once. A value that
is larger than what it is made of, such as a bias for each channel times a plane, is still computed.
"""

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.backends.onnx_runtime import open_session

from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..cleanup.clean_up import clean_up
from ..ir_tools import Array, add_constant, constant, insert_before, remove_unused
from ..operators import BROADCASTING


def fix_mask(model: ir.Model, mask: NDArray[np.float32], batch: int) -> ir.Model:
    """A copy of `model` without its input `mask`.

    Args:
        model: inputs `image`, `mask` and perhaps `sketch`, types and shapes inferred; static height and width.
        mask: [1,1,H,W], in the network's own polarity.
        batch: a number of images that the model takes.
    """
    model = model.clone()
    graph = model.graph
    mask_path = analyse_mask_path(model)
    image = next(value for value in graph.inputs if value.name == "image")
    frontier = _frontier(graph, mask_path)
    values = _evaluate(model, frontier, mask, batch)
    for value, array in zip(frontier, values, strict=True):
        same = array.ndim > 0 and array.shape[0] == batch and bool((array == array[:1]).all())
        stored = add_constant(graph, f"{value.name}_fixed", array[:1] if same else array)
        for user, index in list(value.uses()):
            if same and batch > 1 and user.op_type not in BROADCASTING:
                user.replace_input_with(index, _for_each_image(user, stored, array, image))
            else:
                user.replace_input_with(index, stored)
        if value.is_graph_output():
            _output_constant(graph, value, stored, array, image)
    model = remove_unused(model)  # what is left of the mask path uses the input
    model.graph.inputs[:] = [value for value in model.graph.inputs if value.name != "mask"]
    return clean_up(model)


def _frontier(graph: ir.Graph, mask_path: MaskPath) -> list[ir.Value]:
    """The values of the mask path to store: those that features or outputs use, or what large ones are made of."""
    waiting = [value for value in graph.outputs if value in mask_path.mask_only]
    for node in graph:
        if any(value in mask_path.image_dependent for value in node.outputs):
            waiting += [value for value in node.inputs if value is not None and value in mask_path.mask_only]
    found: dict[ir.Value, None] = {}
    while waiting:
        value = waiting.pop(0)
        node = value.producer()
        operands = [operand for operand in node.inputs if operand is not None] if node is not None else []
        if node is not None and node.op_type in BROADCASTING and _elements(value) > sum(map(_elements, operands)):
            waiting += [operand for operand in operands if operand in mask_path.mask_only]
        else:
            found[value] = None
    return list(found)


def _elements(value: ir.Value) -> int:
    """Elements for one image."""
    array = constant(value)
    if array is not None:
        return array.size
    sizes = list(value.shape)[1:] if value.shape is not None else []
    return math.prod(size for size in sizes if isinstance(size, int))


def _evaluate(model: ir.Model, values: list[ir.Value], mask: NDArray[np.float32], batch: int) -> list[Array]:
    outputs = list(model.graph.outputs)
    try:
        model.graph.outputs[:] = values
        session = open_session(ir.to_proto(model).SerializeToString(), "cpu")
    finally:
        model.graph.outputs[:] = outputs
    names = [value.name for value in session.get_inputs()]
    feed = {
        "image": np.zeros((batch, 3, *mask.shape[2:]), dtype=np.float32),
        "mask": np.repeat(mask, batch, axis=0),
        "sketch": np.zeros((batch, 1, *mask.shape[2:]), dtype=np.float32),
    }
    # Of a value that is listed twice, ONNX Runtime gives one.
    return list(session.run([value.name for value in values], {name: feed[name] for name in names}))


def _for_each_image(anchor: ir.Node, stored: ir.Value, array: Array, image: ir.Value) -> ir.Value:
    """`stored` repeated for as many images as there are, for an operator that does not broadcast."""
    assert isinstance(anchor.graph, ir.Graph)
    graph = anchor.graph
    start = add_constant(graph, "first", np.array([0], np.int64))
    end = add_constant(graph, "second", np.array([1], np.int64))
    rest = add_constant(graph, "sizes", np.array(array.shape[1:], np.int64))
    sizes = insert_before(anchor, "Shape", [image], dtype=ir.DataType.INT64)
    count = insert_before(anchor, "Slice", [sizes, start, end], dtype=ir.DataType.INT64)
    shape = insert_before(anchor, "Concat", [count, rest], {"axis": 0}, dtype=ir.DataType.INT64)
    repeated = insert_before(anchor, "Expand", [stored, shape], dtype=stored.dtype)
    repeated.shape = ir.Shape([image.shape[0] if image.shape is not None else None, *array.shape[1:]])
    return repeated


def _output_constant(graph: ir.Graph, value: ir.Value, stored: ir.Value, array: Array, image: ir.Value) -> None:
    """An output must be made by a node, with the number of images of the others."""
    node = ir.node("Identity", [stored], num_outputs=1)
    node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
    graph.append(node)
    if stored.shape is not None and array.shape[0] != stored.shape[0]:
        node.replace_input_with(0, _for_each_image(node, stored, array, image))
    graph.outputs[graph.outputs.index(value)] = node.outputs[0]
    node.outputs[0].name, value.name = value.name, f"{value.name}_computed"

"""Mistakes that show in one image of a batch, one colour, one place or one range of values only."""

import numpy as np
import onnx
from onnx import helper

from .graph_edits import (
    Change,
    NotApplicableError,
    add_constant,
    image_of_network,
    insert,
    insert_for_network,
    mask_of_network,
    node,
)


def second_image_times(factor: float) -> Change:
    return lambda model: insert(model, "output", "Mul", np.array([1, factor], np.float32).reshape(2, 1, 1, 1))


def green_times(factor: float) -> Change:
    return lambda model: insert(model, "output", "Mul", np.array([1, factor, 1], np.float32).reshape(1, 3, 1, 1))


def add_at(rows: slice, columns: slice, amount: float) -> Change:
    """The network's output is off in a part of the image."""

    def change(model: onnx.ModelProto) -> None:
        height, width = (model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value for axis in (1, 2))
        plane = np.zeros((1, 1, height, width), np.float32)
        plane[..., rows, columns] = amount
        insert(model, "output", "Add", plane)

    return change


def clip_output(model: onnx.ModelProto) -> None:
    insert(model, "output", "Clip", np.float32(-0.5), np.float32(0.5))


def no_output(model: onnx.ModelProto) -> None:
    insert(model, "output", "Mul", np.float32(0.0))


def image_times(factor: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        image = image_of_network(model)
        insert_for_network(model, image, "Mul", np.float32(factor))

    return change


def widen_mask(model: onnx.ModelProto) -> None:
    """The ones of the mask that the network is given are one pixel wider on each side."""
    mask = mask_of_network(model)
    insert_for_network(model, mask, "MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def pad_with_edge(model: onnx.ModelProto) -> None:
    """One convolution repeats the border where it should pad with zeros."""
    for entry in model.graph.node:
        pads = next((attribute for attribute in entry.attribute if attribute.name == "pads"), None)
        if entry.op_type != "Conv" or pads is None or min(pads.ints) < 1:
            continue
        top, left, bottom, right = pads.ints
        around = add_constant(model, np.array([0, 0, top, left, 0, 0, bottom, right]))
        wider = f"{entry.output[0]}_wider"
        pads.ints[:] = [0, 0, 0, 0]
        place = list(model.graph.node).index(entry)
        padding = helper.make_node("Pad", [entry.input[0], around], [wider], mode="edge")
        entry.input[0] = wider
        model.graph.node.insert(place, padding)
        return
    raise NotApplicableError("no padding")


def composition_of_wider_holes(model: onnx.ModelProto) -> None:
    """The hole of the composition is one pixel wider on each side."""
    where, axis = node(model, "Where", last=True), add_constant(model, np.array([1]))
    place = list(model.graph.node).index(where)
    for entry in (
        helper.make_node("Cast", ["wider_last"], ["wider"], to=onnx.TensorProto.BOOL),
        helper.make_node("Transpose", ["wider_hole"], ["wider_last"], perm=[0, 2, 3, 1]),
        helper.make_node("MaxPool", ["wider_plane"], ["wider_hole"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Unsqueeze", ["wider_float", axis], ["wider_plane"]),
        helper.make_node("Cast", ["mask"], ["wider_float"], to=onnx.TensorProto.FLOAT),
    ):
        model.graph.node.insert(place, entry)
    where.input[0] = "wider"

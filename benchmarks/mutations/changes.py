"""What is altered in a model, one function for each mistake."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper

from .graph_edits import (
    Change,
    NotApplicableError,
    alter,
    change_weight,
    image_of_network,
    insert,
    insert_for,
    insert_for_network,
    mask_of_network,
    node,
    readers_of,
    rename,
    rolled,
    weights,
)


def flip_polarity(model: onnx.ModelProto) -> None:
    mask = mask_of_network(model)
    readers = readers_of(model, mask, network=True)
    insert_for(model, mask, readers, "Mul", np.float32(-1.0))
    product = next(name for name in readers[0].input if name.startswith(f"{mask}_Mul"))
    insert_for(model, product, readers, "Add", np.float32(1.0))


def mask_times(factor: float) -> Change:
    """What the network is given is the mask times a factor: 0 means one polarity everywhere."""

    def change(model: onnx.ModelProto) -> None:
        mask = mask_of_network(model)
        insert_for_network(model, mask, "Mul", np.float32(factor))

    return change


def mask_all_ones(model: onnx.ModelProto) -> None:
    mask = mask_of_network(model)
    insert_for_network(model, mask, "Max", np.float32(1.0))


def roll_output(axis: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        rolled(model, "output", axis, network_only=False)
        rename(model, {"output": "output_before", "output_rolled": "output"})

    return change


def roll_mask(model: onnx.ModelProto) -> None:
    rolled(model, mask_of_network(model), 3, network_only=True)


def roll_image(model: onnx.ModelProto) -> None:
    rolled(model, image_of_network(model), 2, network_only=True)


def drop_bias(model: onnx.ModelProto) -> None:
    alter(_bias(model), np.zeros_like)


def negate_bias(model: onnx.ModelProto) -> None:
    alter(_bias(model), np.negative)


def _bias(model: onnx.ModelProto) -> onnx.TensorProto:
    """A constant that shifts channels: after folded batch norm, or of a convolution."""
    named = {tensor.name: tensor for tensor in model.graph.initializer}
    shifts = [tensor for tensor in model.graph.initializer if "_shift" in tensor.name]
    biases = [named[each.input[2]] for each in model.graph.node
              if each.op_type == "Conv" and len(each.input) > 2 and each.input[2] in named]  # fmt: skip
    large = [each for each in (*shifts, *biases) if np.abs(onnx.numpy_helper.to_array(each)).max(initial=0) > 1e-3]
    if not large:
        raise NotApplicableError("no bias")
    return large[0]


def fold_batch_norm_twice(model: onnx.ModelProto) -> None:
    """The scale of each channel once more."""
    scales = np.random.default_rng(0).uniform(0.6, 1.4, weights(model)[2].dims[0]).reshape(-1, 1, 1, 1)
    alter(weights(model)[2], lambda array: array * scales)


def swap_channels(axis: int) -> Change:
    def swap(array: np.ndarray) -> np.ndarray:
        order = np.arange(array.shape[axis])
        order[:2] = order[:2][::-1]
        return np.take(array, order, axis)

    return change_weight(swap)


def one_number(factor: float) -> Change:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[int(np.abs(array).argmax())] *= factor
        return array

    return change_weight(change)


def quantised(array: np.ndarray) -> np.ndarray:
    """As INT8 weights: 255 levels over the range of the kernel."""
    step = np.abs(array).max() / 127
    return np.asarray(np.round(array / step) * step)


def as_bfloat16(array: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(array.astype(np.float32)).view(np.uint32)
    return np.asarray(((bits + 0x8000) & 0xFFFF0000).view(np.float32))


def every_weight(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(model: onnx.ModelProto) -> None:
        for tensor in weights(model):
            alter(tensor, change)

    return apply


def swap_colours(model: onnx.ModelProto) -> None:
    insert(model, "output", "Gather", np.array([2, 1, 0]), axis=1)


def swap_colours_before(model: onnx.ModelProto) -> None:
    image = image_of_network(model)
    insert_for_network(model, image, "Gather", np.array([2, 1, 0]), axis=1)


def swap_images(model: onnx.ModelProto) -> None:
    insert(model, "output", "Gather", np.array([1, 0]), axis=0)


def first_for_all(model: onnx.ModelProto) -> None:
    insert(model, "output", "Gather", np.array([0, 0]), axis=0)


def swap_masks(model: onnx.ModelProto) -> None:
    mask = mask_of_network(model)
    insert_for_network(model, mask, "Gather", np.array([1, 0]), axis=0)


def transpose_output(model: onnx.ModelProto) -> None:
    insert(model, "output", "Transpose", perm=[0, 1, 3, 2])


def mirror_output(model: onnx.ModelProto) -> None:
    starts, ends, axes, steps = (np.array([number]) for number in (-1, -(2**31), 3, -1))
    insert(model, "output", "Slice", starts, ends, axes, steps)


def output_op(op: str, *numbers: float) -> Change:
    return lambda model: insert(model, "output", op, *(np.float32(number) for number in numbers))


def gamma(model: onnx.ModelProto) -> None:
    levels = node(model, "Round").input[0]  # after the clip, 0..255
    insert(model, levels, "Pow", np.float32(1.02))


def before_rounding(op: str, *numbers: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        insert(model, node(model, "Round").input[0], op, *(np.float32(number) for number in numbers))

    return change


def rounding(op: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        node(model, "Round").op_type = op

    return change


def invert_composition(model: onnx.ModelProto) -> None:
    where = node(model, "Where", last=True)
    where.input[1], where.input[2] = where.input[2], where.input[1]


def compose_from(both: int) -> Change:
    """The composite is the network's image (1) or the given one (2) everywhere."""

    def change(model: onnx.ModelProto) -> None:
        where = node(model, "Where", last=True)
        where.input[3 - both] = where.input[both]

    return change


def known_pixels_off_by_one(model: onnx.ModelProto) -> None:
    """In the type that the composite casts the given image to, which is FP16 in an FP16 graph."""
    where = node(model, "Where", last=True)
    cast = next(entry for entry in model.graph.node if where.input[2] in entry.output)
    (to,) = (attribute.i for attribute in cast.attribute if attribute.name == "to")
    insert_for(model, where.input[2], [where], "Sub", np.array(1.0, helper.tensor_dtype_to_np_dtype(to)))


def only_255_is_hole(model: onnx.ModelProto) -> None:
    """Masks hold other values than 255 as well."""
    clip = next(entry for entry in model.graph.node if entry.op_type == "Clip")
    insert_for(model, clip.input[0], [clip], "Sub", np.float32(254.0))


def nearest_made_bilinear(model: onnx.ModelProto) -> None:
    found = [attribute for entry in model.graph.node if entry.op_type == "Resize"
             for attribute in entry.attribute if attribute.name == "mode"]  # fmt: skip
    if not found:
        raise NotApplicableError("no Resize: upsampling is folded into convolutions")
    for attribute in found:
        attribute.s = b"linear"


def brighten_image(model: onnx.ModelProto) -> None:
    """The scale of the composite, not that of what the network is given: each has a constant of its own."""
    read = {name for reader in readers_of(model, "output", network=False) for name in reader.input}
    scales = [tensor for tensor in model.graph.initializer if tensor.name in read and "image_scale" in tensor.name]
    if not scales:
        raise NotApplicableError("the composite scales nothing")
    alter(scales[0], lambda array: array * 1.1)


def other_activation(model: onnx.ModelProto) -> None:
    for name in ("LeakyRelu", "Elu", "Sigmoid", "Relu"):
        found = [entry for entry in model.graph.node if entry.op_type == name]
        if found and found[0].attribute:
            found[0].attribute[0].f *= 1.05
            return
        if found:
            found[0].op_type = "Tanh" if name == "Relu" else "HardSigmoid"
            return
    raise NotApplicableError("no activation")


def drop_activation(model: onnx.ModelProto) -> None:
    for name in ("Relu", "Elu", "LeakyRelu"):
        found = [entry for entry in model.graph.node if entry.op_type == name]
        if found:
            found[-1].op_type = "Identity"
            del found[-1].attribute[:]
            return
    raise NotApplicableError("no activation")


def shift_a_layer(model: onnx.ModelProto) -> None:
    """One convolution pads left and above what it should pad right and below."""
    for entry in model.graph.node:
        for attribute in entry.attribute:
            if entry.op_type == "Conv" and attribute.name == "pads" and min(attribute.ints) > 0:
                top, left, bottom, right = attribute.ints
                attribute.ints[:] = [top - 1, left, bottom + 1, right]
                return
    raise NotApplicableError("no padding")


def noise(scale: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        readers = readers_of(model, "output")
        place = min(list(model.graph.node).index(reader) for reader in readers)
        drawn = helper.make_node("RandomNormalLike", ["output"], ["mutation_noise"], scale=scale)
        model.graph.node.insert(place, drawn)
        insert_for(model, "output", readers, "Add", "mutation_noise")
        added = next(entry for entry in model.graph.node if entry.input[-1:] == ["mutation_noise"])
        rename(model, {"output": "output_before", added.output[0]: "output"})

    return change


def dropout(model: onnx.ModelProto) -> None:
    readers = readers_of(model, "output")
    insert_for(model, "output", readers, "Dropout", np.float32(0.01), np.array(True))


def hide_output(model: onnx.ModelProto) -> None:
    """The network's own output under another name: only the composite would be left to look at."""
    rename(model, {"output": "hidden"})


def invert_updated_mask(model: onnx.ModelProto) -> None:
    insert(model, "updated_mask", "Mul", np.float32(-1.0))
    insert(model, "updated_mask", "Add", np.float32(1.0))


def full_updated_mask(model: onnx.ModelProto) -> None:
    insert(model, "updated_mask", "Max", np.float32(1.0))

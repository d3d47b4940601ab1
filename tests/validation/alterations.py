"""Lies about a network: alterations of a good bundle that the gate must catch, each for its own reason."""

import hashlib
import json
from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from inpaintrt.runtime import Bundle

Change = Callable[[onnx.ModelProto], None]


def rewrite(bundle: Bundle, precision: str, change: Change) -> None:
    """Alter a model and record its new sha256: a lie, not damage."""
    path = bundle.path / bundle.onnx(precision).path
    model = onnx.load_from_string(path.read_bytes())
    change(model)
    replace_file(bundle, path.name, model.SerializeToString())


def replace_file(bundle: Bundle, name: str, content: bytes) -> None:
    """Put another file in an artifact's place and record its sha256."""
    (bundle.path / name).write_bytes(content)
    document = bundle.path / "bundle.json"
    values = json.loads(document.read_text())
    for artifact in values["artifacts"]:
        if artifact["path"] == name:
            artifact["sha256"] = hashlib.sha256(content).hexdigest()
    document.write_text(json.dumps(values))


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] > 1]


def alter(tensor: onnx.TensorProto, change: Callable[[np.ndarray], np.ndarray]) -> None:
    array = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(change(array).astype(array.dtype), tensor.name))


def scale_a_weight(factor: float) -> Change:
    return lambda model: alter(weights(model)[2], lambda array: array * factor)


def scale_one_number(model: onnx.ModelProto) -> None:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[1, 2, 0, 1] *= 1.02
        return array

    alter(weights(model)[2], change)


def node(model: onnx.ModelProto, op: str, last: bool = False) -> onnx.NodeProto:
    found = [entry for entry in model.graph.node if entry.op_type == op]
    return found[-1 if last else 0]


def insert(model: onnx.ModelProto, value: str, op: str, *operands: np.ndarray, **attributes: object) -> None:
    """Let an operator stand between a value and all its readers."""
    names = [f"lie_{index}" for index in range(len(operands))]
    for name, array in zip(names, operands, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    maker = next(entry for entry in model.graph.node if value in entry.output)
    maker.output[list(maker.output).index(value)] = f"{value}_true"
    place = list(model.graph.node).index(maker) + 1
    model.graph.node.insert(place, helper.make_node(op, [f"{value}_true", *names], [value], **attributes))


def flip_polarity(model: onnx.ModelProto) -> None:
    subtraction = node(model, "Sub")  # known = 1 - hole
    subtraction.op_type, subtraction.input[:] = "Identity", subtraction.input[1:]


def drop_bias(model: onnx.ModelProto) -> None:
    shift = next(tensor for tensor in model.graph.initializer if "_shift" in tensor.name)
    alter(shift, np.zeros_like)


def fold_batch_norm_twice(model: onnx.ModelProto) -> None:
    """The scale of each channel once more."""
    scales = np.random.default_rng(0).uniform(0.6, 1.4, weights(model)[2].dims[0]).reshape(-1, 1, 1, 1)
    alter(weights(model)[2], lambda array: array * scales)


def swap_colours(model: onnx.ModelProto) -> None:
    insert(model, "output", "Gather", np.array([2, 1, 0]), axis=1)


def swap_pictures(model: onnx.ModelProto) -> None:
    insert(model, "output", "Gather", np.array([1, 0]), axis=0)


def invert_composition(model: onnx.ModelProto) -> None:
    where = node(model, "Where")
    where.input[1], where.input[2] = where.input[2], where.input[1]


def known_pixels_off_by_one(model: onnx.ModelProto) -> None:
    where, levels = node(model, "Where"), numpy_helper.from_array(np.float32(1.0), "off_by_one")
    model.graph.initializer.append(levels)
    added = helper.make_node("Sub", [where.input[2], "off_by_one"], ["pixels_off"])
    where.input[2] = "pixels_off"
    model.graph.node.insert(list(model.graph.node).index(where), added)


def bilinear(model: onnx.ModelProto) -> None:
    for entry in model.graph.node:
        if entry.op_type == "Resize":
            for attribute in entry.attribute:
                if attribute.name == "mode":
                    attribute.s = b"linear"


def brighten_picture(model: onnx.ModelProto) -> None:
    alter(next(t for t in model.graph.initializer if t.name == "picture_scale"), lambda array: array * 1.1)


def truncate(model: onnx.ModelProto) -> None:
    node(model, "Round").op_type = "Floor"


def steeper_activation(model: onnx.ModelProto) -> None:
    leaky = node(model, "LeakyRelu")
    leaky.attribute[0].f = 0.21


def hide_output(model: onnx.ModelProto) -> None:
    """The network's own output under another name: only the composite would be left to look at."""
    insert(model, "output", "Identity")
    for entry in model.graph.node:
        for names in (entry.input, entry.output):
            for index, name in enumerate(names):
                if name == "output":
                    names[index] = "hidden"


def epsilon_form(model: onnx.ModelProto) -> None:
    """The ratio as w / (s + 1e-8) in FP16, where 1e-8 is zero, masked afterwards."""
    halves = {entry.input[0]: entry for entry in model.graph.node if entry.op_type == "Cast"}
    maxima = {entry.output[0]: entry for entry in model.graph.node if entry.op_type == "Max"}
    division = next(entry for entry in model.graph.node if entry.op_type == "Div" and entry.input[1] in maxima)
    maximum = maxima[division.input[1]]
    cast, half = halves[division.output[0]], onnx.TensorProto.FLOAT16
    model.graph.initializer.append(numpy_helper.from_array(np.float16(1e-8), "epsilon"))
    model.graph.initializer.append(numpy_helper.from_array(np.float16(25), "window"))
    nodes = [
        helper.make_node("Cast", [maximum.input[0]], ["s_fp16"], to=half),
        helper.make_node("Add", ["s_fp16", "epsilon"], ["s_epsilon"]),
        helper.make_node("Div", ["window", "s_epsilon"], ["w_over_s"]),
        helper.make_node("Min", ["s_fp16", "epsilon_one"], ["clamped"]),
        helper.make_node("Mul", ["w_over_s", "clamped"], [cast.output[0]]),
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.float16(1), "epsilon_one"))
    place = list(model.graph.node).index(cast)
    del model.graph.node[place]
    for offset, entry in enumerate(nodes):
        model.graph.node.insert(place + offset, entry)


LIES: dict[str, tuple[Change, tuple[str, str]]] = {
    "weight scaled by 1.05": (scale_a_weight(1.05), ("relative L2", "error of output")),
    "weight scaled by 1.02": (scale_a_weight(1.02), ("relative L2", "error of output")),
    "batch norm folded twice": (fold_batch_norm_twice, ("relative L2", "error of output")),
    "mask polarity flipped": (flip_polarity, ("as if the mask were inverted",) * 2),
    "bias dropped": (drop_bias, ("relative L2", "error of output")),
    "colours swapped": (swap_colours, ("colour channels look swapped",) * 2),
    "nearest made bilinear": (bilinear, ("updated mask bit-equal",) * 2),
    "composition inverted": (invert_composition, ("known pixels were replaced, as if the mask were inverted",) * 2),
    "known pixels off by one": (known_pixels_off_by_one, ("known pixels are off by one",) * 2),
    "picture brightened after the network": (brighten_picture, ("composite follows from output",) * 2),
    "weight made NaN": (scale_a_weight(float("nan")), ("no NaN or Inf",) * 2),
    "rounded down": (truncate, ("share of composite values that do not follow from output",) * 2),
    "slope 0.21 for 0.2": (steeper_activation, ("relative L2", "error of output")),
    "output hidden": (hide_output, ("the candidate gives no output",) * 2),
}
"""Each lie, and what must be among the reasons for the FP32 and the FP16 model."""

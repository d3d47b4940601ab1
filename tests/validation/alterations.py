"""Lies about a network: alterations of a good bundle that the gate must catch, each for its own reason."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.mutations.changes import (
    brighten_image,
    drop_bias,
    flip_polarity,
    fold_batch_norm_twice,
    hide_output,
    invert_composition,
    known_pixels_off_by_one,
    nearest_made_bilinear,
    other_activation,
    rounding,
    swap_colours,
)
from benchmarks.mutations.graph_edits import Change, scale_a_weight


def epsilon_form(model: onnx.ModelProto) -> None:
    """The ratio as w / (s + 1e-8) in FP16, where 1e-8 is zero, masked afterwards."""
    halves = {entry.input[0]: entry for entry in model.graph.node if entry.op_type == "Cast"}
    maxima = {entry.output[0]: entry for entry in model.graph.node if entry.op_type == "Max"}
    # Sums that FP16 holds exactly are FP16, and cast for the division.
    maxima |= {halves[name].output[0]: entry for name, entry in maxima.items() if name in halves}
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
    "nearest made bilinear": (nearest_made_bilinear, ("updated mask bit-equal",) * 2),
    "composition inverted": (invert_composition, ("known pixels were replaced, as if the mask were inverted",) * 2),
    "known pixels off by one": (known_pixels_off_by_one, ("known pixels are off by one",) * 2),
    "image brightened after the network": (brighten_image, ("composite follows from output",) * 2),
    "weight made NaN": (scale_a_weight(float("nan")), ("no NaN or Inf",) * 2),
    "rounded down": (rounding("Floor"), ("share of composite values that do not follow from output",) * 2),
    "activation 5 % steeper": (other_activation, ("relative L2", "error of output")),
    "output hidden": (hide_output, ("the candidate gives no output",) * 2),
}
"""Each lie, and what must be among the reasons for the FP32 and the FP16 model."""

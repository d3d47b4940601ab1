r"""Division by the mask sum after the convolution, rescaled so that FP16 holds.

Some layers divide by the mask sum `s` without multiplying by the window, so their weights are trained `w` times as
large, and the convolution alone leaves the FP16 range where the quotient does not. With `w` the largest value of `s`::

    conv_W(x) / s            =  conv_{W/w}(x) * (w / s)
    (conv_W(x) + b - b) / s  =  conv_{W/w}(x) * (w / s)

The quotient `w / s` is on the mask path, in FP32, and at most `w` where `s` is an integer of at least 1.
"""

import math

import numpy as np
import onnx_ir as ir

from .ir_tools import Array, add_constant, constant, insert_before, only_use, replace_output
from .mask_path import MaskPath, analyse_mask_path
from .report import PassReport


def rescale_division(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Rewrite every division of a convolution by a value of the mask path, in a copy of `model`."""
    model = model.clone()
    mask_path = analyse_mask_path(model)
    report = PassReport("rescale_division")
    for node in list(model.graph):
        if node.op_type != "Div" or node.inputs[1] not in mask_path.mask_only:
            continue
        if node.inputs[0] in mask_path.image_dependent:
            reason = _rescale(model.graph, node, mask_path)
            if reason is None:
                report.change(node)
            else:
                report.refuse(node, reason)
    return model, report


def _rescale(graph: ir.Graph, node: ir.Node, mask_path: MaskPath) -> str | None:
    numerator, divisor = node.inputs
    assert numerator is not None
    assert divisor is not None
    low, high = mask_path.ranges[divisor]
    if not (low > 0 and math.isfinite(high)):
        return f"the divisor's range {low:g}..{high:g} is not proven positive"
    conv = only_use(numerator, "Conv") or _conv_less_its_bias(numerator)
    if conv is None:
        return "what is divided is no convolution"
    weight = constant(conv.inputs[1])
    if weight is None:
        return "the convolution's weight is not constant"
    if only_use(numerator, "Conv") is None:
        conv = _without_bias(conv)
    conv.replace_input_with(
        1, add_constant(graph, f"{conv.outputs[0].name}_rescaled", (weight / high).astype(np.float32))
    )
    if len(conv.inputs) > 2 and (bias := constant(conv.inputs[2])) is not None:
        rescaled = add_constant(graph, f"{conv.outputs[0].name}_rescaled_bias", (bias / high).astype(np.float32))
        conv.replace_input_with(2, rescaled)
    window = add_constant(graph, "window", np.array(high, dtype=np.float32))
    ratio = insert_before(node, "Div", [window, divisor], like=divisor)
    product = insert_before(node, "Mul", [conv.outputs[0], ratio], like=node.outputs[0])
    replace_output(node.outputs[0], product)
    graph.remove(node, safe=True)
    return None


def _conv_less_its_bias(value: ir.Value) -> ir.Node | None:
    """The convolution of `conv(x) + b - b`, where the trace subtracts the very bias that was added."""
    difference = only_use(value, "Sub")
    if difference is None:
        return None
    conv = only_use(difference.inputs[0], "Conv")
    if conv is None or len(conv.inputs) < 3:
        return None
    added, subtracted = constant(conv.inputs[2]), _per_channel(difference.inputs[1])
    if added is None or subtracted is None or subtracted.size not in (1, added.size):
        return None
    return conv if bool((added.reshape(-1) == subtracted).all()) else None


def _per_channel(value: ir.Value | None) -> Array | None:
    """A constant over [N,C,H,W] that is the same in all places, as [C] or one number; `Expand` is looked through."""
    producer = value.producer() if value is not None else None
    array = constant(producer.inputs[0] if producer is not None and producer.op_type == "Expand" else value)
    if array is None:
        return None
    if array.ndim < 3:
        return array.reshape(-1) if array.size == 1 else None
    places = array.reshape(-1, array.shape[-3], array.shape[-2] * array.shape[-1])
    first: Array = places[0, :, 0]
    return first if bool((places == first[:, None]).all()) else None


def _without_bias(conv: ir.Node) -> ir.Node:
    """Insert the same convolution without bias before `conv`; the old one is left to the clean-up."""
    output = insert_before(conv, "Conv", list(conv.inputs[:2]), dict(conv.attributes), like=conv.outputs[0])
    producer = output.producer()
    assert producer is not None
    return producer

r"""The mask ratio scaled to be 1 where everything is known, whatever way the layer was written.

A layer that divides by the mask sum without multiplying by the window `w` has weights that are `w` times as large, and
its convolution leaves the FP16 range where its result does not. With `k` the ratio where everything is known (`1 / w`
there), and after `combine_mask_factors`::

    conv_W(x) * r  =  conv_{kW}(x) * (r / k)          (conv_W(x) + b - b) * r  =  conv_{kW}(x) * (r / k)
"""

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import MaskPath, analyse_mask_path, find_divisor, value_where_all_is_known
from ..ir_tools import Array, add_constant, constant, insert_before, only_use, remove_unused
from ..report import PassReport
from .combine_mask_factors import combine_mask_factors, operands_of_product

NORMAL = (0.5, 2.0)
"""Ratios where everything is known that are left as they are: within a factor of two nothing is gained."""


def normalise_mask_ratio(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Bring every product and quotient of features with the mask path, in a copy of `model`, into normal form."""
    model = combine_mask_factors(model)
    graph = model.graph
    report = PassReport("normalise_mask_ratio")
    mask_path = analyse_mask_path(model)
    for node in list(graph):
        known = ratio_where_all_is_known(node, mask_path)
        if known is None:
            continue
        feature, ratio = operands_of_product(node, mask_path)
        reason = _rescale(graph, node, feature, ratio, known, report)
        if reason is None:
            report.change(node)
        else:
            report.refuse(node, reason)
    return remove_unused(model), report


def ratio_where_all_is_known(node: ir.Node, mask_path: MaskPath) -> float | None:
    """For a product of features with a ratio that is not normal, the ratio where everything is known."""
    if node.op_type != "Mul" or not any(value in mask_path.image_dependent for value in node.outputs):
        return None
    _, ratio = operands_of_product(node, mask_path)
    divisor = find_divisor(ratio, mask_path) if ratio is not None else None
    if ratio is None or divisor is None:
        return None
    known = value_where_all_is_known(ratio, divisor, mask_path)
    return known if known is not None and not NORMAL[0] <= known <= NORMAL[1] else None


def _rescale(
    graph: ir.Graph, node: ir.Node, feature: ir.Value | None, ratio: ir.Value | None, known: float, report: PassReport
) -> str | None:
    assert ratio is not None
    conv = only_use(feature, "Conv")
    if conv is None:
        conv = _conv_less_its_bias(feature)
        if conv is None:
            return "what is multiplied by the ratio is no convolution"
        if constant(conv.inputs[1]) is not None:
            conv = _without_bias(conv)
    weight = constant(conv.inputs[1])
    if weight is None:
        return "the convolution's weight is not constant"
    name = str(conv.outputs[0].name)
    report.notes[name] = f"ratio scaled to 1 where all is known, by {1 / known:g}"
    conv.replace_input_with(1, add_constant(graph, f"{name}_rescaled", (weight * known).astype(np.float32)))
    if len(conv.inputs) > 2 and (bias := constant(conv.inputs[2])) is not None:
        rescaled = add_constant(graph, f"{name}_rescaled_bias", (bias * known).astype(np.float32))
        conv.replace_input_with(2, rescaled)
    inverse = add_constant(graph, "ratio_scale", np.array(1 / known, dtype=np.float32))
    scaled = insert_before(node, "Mul", [ratio, inverse], like=ratio)
    node.replace_input_with(0, conv.outputs[0])
    node.replace_input_with(1, scaled)
    return None


def _conv_less_its_bias(value: ir.Value | None) -> ir.Node | None:
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
    """Insert the same convolution without bias before `conv`; nothing uses the old one then."""
    output = insert_before(conv, "Conv", list(conv.inputs[:2]), dict(conv.attributes), like=conv.outputs[0])
    producer = output.producer()
    assert producer is not None
    output.name, conv.outputs[0].name = conv.outputs[0].name, f"{conv.outputs[0].name}_with_bias"
    return producer

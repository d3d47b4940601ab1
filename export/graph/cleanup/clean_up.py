"""Clean-up of the raw trace: constants folded, duplicates and dead nodes removed, Min over Max written as Clip.

The trace is made without the exporter's own optimisation, because that drops `+ 1e-8` as an addition of zero and so
makes many partial convolutions divide 0 by 0. Only rules that change no value are applied here.
"""

import numpy as np
import onnx_ir as ir
import onnxscript.optimizer
from onnx_ir.passes import common

from ..ir_tools import Array, add_constant, constant, infer_types, insert_before, remove_unused, replace_output
from ..operators import BROADCASTING
from .computed_weights import fold_computed_weights
from .fp64_to_fp32 import fp64_to_fp32
from .masked_assignment import assignments_to_choices
from .merge_slices import merge_slices

PASSES: tuple[type[ir.passes.InPlacePass], ...] = (
    common.CommonSubexpressionEliminationPass,
    common.IdentityEliminationPass,
    common.RemoveUnusedNodesPass,
    common.LiftConstantsToInitializersPass,
)


def clean_up(model: ir.Model) -> ir.Model:
    """A copy of `model` that computes the same with fewer nodes, its types and shapes inferred."""
    model = fp64_to_fp32(model)
    onnxscript.optimizer.fold_constants(model)
    fold_computed_weights(model.graph)
    for cleaning in PASSES:
        cleaning()(model)
    model = infer_types(model)
    broadcast_constants(model.graph)
    drop_zero_terms(model.graph)
    assignments_to_choices(model.graph)
    merge_slices(model.graph)
    clamps_to_clips(model.graph)
    return remove_unused(infer_types(model))


def broadcast_constants(graph: ir.Graph) -> None:
    """Let a constant broadcast, in place, where the trace gives it the shape of its partner first.

    `zeros_like(features)` is traced as an expansion to the shape of the features, which hides that it is zero and
    makes the features have two users. The ratio of a layer that is called without a mask is a constant with as many
    equal channels as the features.
    """
    for node in graph:
        if node.op_type not in BROADCASTING or node.outputs[0].shape is None:
            continue
        for index, value in enumerate(node.inputs):
            number = _expanded_number(value)
            number = _one_of_equals(constant(value)) if number is None else number
            others = [operand for place, operand in enumerate(node.inputs) if place != index and operand is not None]
            if number is not None and any(operand.shape == node.outputs[0].shape for operand in others):
                node.replace_input_with(index, add_constant(graph, f"{value.name if value else ''}_number", number))


def _one_of_equals(array: Array | None) -> Array | None:
    """A constant over [N,C,H,W] with one image or channel in place of many that are equal; None if none are."""
    if array is None or array.ndim != 4:
        return None
    narrow = array
    for axis in (0, 1):
        first = narrow.take([0], axis=axis)
        narrow = first if bool((narrow == first).all()) else narrow
    return narrow if narrow.size < array.size else None


def _expanded_number(value: ir.Value | None) -> Array | None:
    """The one number that fills a value made by Expand or ConstantOfShape, as an array without axes."""
    node = value.producer() if value is not None else None
    if node is None or value is None or value.dtype is None:
        return None
    if node.op_type == "Expand":
        array = constant(node.inputs[0])
        return array.reshape(()) if array is not None and array.size == 1 else None
    if node.op_type == "ConstantOfShape":
        tensor = node.attributes["value"].as_tensor().numpy() if "value" in node.attributes else np.zeros(1)
        return tensor.reshape(()).astype(value.dtype.numpy())
    return None


def drop_zero_terms(graph: ir.Graph) -> None:
    """Remove `x + 0` and `x - 0`, in place, where the zero is exact and does not enlarge x.

    ONNX Runtime (1.31) makes an invalid model of a convolution, minus zero, times something.
    """
    for node in list(graph):
        for kept, dropped in {"Add": ((0, 1), (1, 0)), "Sub": ((0, 1),)}.get(node.op_type, ()):
            value, zero = node.inputs[kept], constant(node.inputs[dropped])
            if value is None or zero is None or zero.any() or value.shape is None or value.is_graph_input():
                continue
            if (zero.size == 1 and zero.ndim <= len(value.shape)) or value.shape == node.outputs[0].shape:
                replace_output(node.outputs[0], value)
                graph.remove(node, safe=True)
                break


def clamps_to_clips(graph: ir.Graph) -> None:
    """Write `min(max(x, a), b)` for numbers a <= b as one Clip, in place."""
    for node in list(graph):
        if node.op_type != "Min" or node.domain or len(node.inputs) != 2:
            continue
        for inner, high in ((0, 1), (1, 0)):
            upper, value = _one_number(node.inputs[high]), node.inputs[inner]
            clamped = value.producer() if value is not None else None
            if upper is None or clamped is None or clamped.op_type != "Max" or len(clamped.inputs) != 2:
                continue
            for source, low in ((0, 1), (1, 0)):
                lower, operand = _one_number(clamped.inputs[low]), clamped.inputs[source]
                if lower is None or operand is None or lower > upper or operand.shape != node.outputs[0].shape:
                    continue
                limits = [add_constant(graph, "limit", limit) for limit in (lower, upper)]
                clip = insert_before(node, "Clip", [operand, *limits], like=node.outputs[0])
                replace_output(node.outputs[0], clip)
                graph.remove(node, safe=True)
                break
            break


def _one_number(value: ir.Value | None) -> Array | None:
    """A constant of one element, without axes."""
    array = constant(value)
    return array.reshape(()) if array is not None and array.size == 1 and array.dtype.kind == "f" else None

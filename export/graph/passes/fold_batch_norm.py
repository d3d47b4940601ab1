r"""Batch norm folded through the mask ratio.

In evaluation mode batch norm is a scale and a shift per channel, `a * z + c`. After a partial convolution
`z = conv_W(x) * r + b * m`, with a ratio `r` and an updated mask `m` that are the same for all channels, so that
scaling a channel commutes with them, as it does with `where` on the mask::

    a * (conv_W(x) * r + b * m) + c  =  conv_{aW}(x) * r + (a b) * m + c

The convolution takes the scale and the batch norm becomes one addition. Where no convolution can take it, batch norm
is written as one multiplication and one addition, whose constants then have a range of their own to judge FP16 by.
"""

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import Array, add_constant, constant, insert_before, only_use, plane, replace_output
from ..operators import CONVOLUTIONS
from ..report import PassReport


def fold_batch_norm(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Fold every BatchNormalization of a copy of `model`; the report names those that stayed a multiplication."""
    model = model.clone()
    mask_path = analyse_mask_path(model)
    report = PassReport("fold_batch_norm")
    for node in list(model.graph):
        if node.op_type != "BatchNormalization":
            continue
        affine = _affine(node)
        if affine is None:
            report.refuse(node, "its statistics are not constant, or it is in training mode")
            continue
        scale, shift = affine
        value = node.inputs[0]
        assert value is not None
        reason = scale_producer(value, scale, mask_path, report)
        if reason is None:
            report.change(node)
        else:
            report.refuse(node, f"left as a multiplication and an addition: {reason}")
            factor = add_constant(model.graph, f"{node.outputs[0].name}_scale", plane(scale.astype(np.float32)))
            value = insert_before(node, "Mul", [value, factor], like=node.outputs[0])
        addend = add_constant(model.graph, f"{node.outputs[0].name}_shift", plane(shift.astype(np.float32)))
        shifted = insert_before(
            node, "Add", [value, addend], like=node.outputs[0], name=f"{node.outputs[0].name}_folded"
        )
        replace_output(node.outputs[0], shifted)
        model.graph.remove(node, safe=True)
    return model, report


def _affine(node: ir.Node) -> tuple[Array, Array] | None:
    """Scale and shift per channel in double precision."""
    statistics = [constant(value) for value in node.inputs[1:]]
    training = node.attributes.get("training_mode")
    if any(array is None for array in statistics) or (training is not None and training.as_int()):
        return None
    epsilon = node.attributes.get("epsilon")
    gamma, beta, mean, variance = (np.asarray(array, dtype=np.float64) for array in statistics)
    scale = gamma / np.sqrt(variance + (epsilon.as_float() if epsilon is not None else 1e-5))
    return scale, beta - scale * mean


def scale_producer(
    value: ir.Value, scale: Array, mask_path: MaskPath, report: PassReport, note: str = "batch norm folded"
) -> str | None:
    """Multiply what makes `value` by `scale` per channel, in place, or change nothing and say why not.

    Args:
        value: features [N,C,H,W].
        scale: [C].
        mask_path: of the graph.
        report: gets a note for each convolution that took the scale.
        note: its words.
    """
    edits: list[tuple[ir.Node, int, Array]] = []
    reason = _collect(value, scale, mask_path, edits)
    if reason is not None:
        return reason
    for node, index, array in edits:
        old = node.inputs[index]
        assert old is not None
        assert node.graph is not None
        graph = node.graph
        assert isinstance(graph, ir.Graph)
        if node.op_type in CONVOLUTIONS:
            report.notes[str(node.outputs[0].name)] = note
        node.replace_input_with(index, add_constant(graph, f"{old.name}_scaled", array.astype(np.float32)))
    return None


def _collect(value: ir.Value, scale: Array, mask_path: MaskPath, edits: list[tuple[ir.Node, int, Array]]) -> str | None:
    """List the constants to scale so that `value` is scaled."""
    conv = only_use(value, "Conv") or only_use(value, "ConvTranspose")
    if conv is not None:
        return _collect_convolution(conv, scale, edits)
    if (product := only_use(value, "Mul")) is not None:
        return _collect_product(product, scale, mask_path, edits)
    if (total := only_use(value, "Add")) is not None:
        for index, term in enumerate(total.inputs):
            reason = _collect_operand(total, index, term, scale, mask_path, edits)
            if reason is not None:
                return reason
        return None
    if (choice := only_use(value, "Where")) is not None and choice.inputs[0] not in mask_path.image_dependent:
        for index in (1, 2):
            reason = _collect_operand(choice, index, choice.inputs[index], scale, mask_path, edits)
            if reason is not None:
                return reason
        return None
    producer = value.producer()
    return f"{producer.op_type if producer is not None else 'an input'} stands before it, or its value is used twice"


def _collect_convolution(conv: ir.Node, scale: Array, edits: list[tuple[ir.Node, int, Array]]) -> str | None:
    weight = constant(conv.inputs[1])
    if weight is None:
        return "the convolution's weight is not constant"
    axis = 0 if conv.op_type == "Conv" else 1  # a transposed convolution's weight is [in, out, ..]
    if weight.shape[axis] != len(scale):
        return "it is a transposed convolution in groups"
    edits.append((conv, 1, weight * scale.reshape([-1 if place == axis else 1 for place in range(weight.ndim)])))
    if len(conv.inputs) > 2 and conv.inputs[2] is not None:
        bias = constant(conv.inputs[2])
        if bias is None:
            return "the convolution's bias is not constant"
        edits.append((conv, 2, bias * scale))
    return None


def _collect_product(
    product: ir.Node, scale: Array, mask_path: MaskPath, edits: list[tuple[ir.Node, int, Array]]
) -> str | None:
    """One factor takes the scale, a constant rather than anything else; the other must not depend on the image."""
    orders = ((product.inputs[0], 1), (product.inputs[1], 0))
    for constants_only in (True, False):
        for factor, other in orders:
            rest = product.inputs[other]
            fixed = factor in mask_path.mask_only or _per_channel(factor, len(scale)) is not None
            if fixed and (not constants_only or _per_channel(rest, len(scale)) is not None):
                return _collect_operand(product, other, rest, scale, mask_path, edits)
    return "its input is a product of two feature values"


def _collect_operand(
    node: ir.Node, index: int, operand: ir.Value | None, scale: Array, mask_path: MaskPath,
    edits: list[tuple[ir.Node, int, Array]],
) -> str | None:  # fmt: skip
    assert operand is not None  # of Add, Mul and Where none is optional
    array = constant(operand)
    if array is not None and not array.any():
        return None  # zero stays zero
    per_channel = _per_channel(operand, len(scale))
    if per_channel is not None:
        edits.append((node, index, plane(per_channel.reshape(-1) * scale)))
        return None
    return _collect(operand, scale, mask_path, edits)


def _per_channel(value: ir.Value | None, size: int) -> Array | None:
    """A constant that is one number, or one for each of `size` channels."""
    array = constant(value)
    if array is None or not (array.size == 1 or (array.ndim >= 3 and array.shape[-3] == array.size == size)):
        return None
    return array

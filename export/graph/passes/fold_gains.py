"""Gains after activations folded into the convolution before them.

Networks with an equalised learning rate multiply what an activation gives by a constant, 1.414 for leaky ReLU. It is
positively homogeneous, so for a gain g > 0, of one number or one for each channel::

    g leaky_relu(conv_W(x) + b)  =  leaky_relu(conv_{gW}(x) + g b)

FP16 rounds such a number, and with it every feature to the same side, layer after layer; the weights' roundings are
independent. The product over all features is saved besides. What stands between convolution and activation is scaled as
for a batch norm (`fold_batch_norm.py`).
"""

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import Array, channels, constant, only_use, replace_output
from ..operators import ACTIVATIONS
from ..report import PassReport
from .fold_batch_norm import scale_producer


def fold_gains(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Fold multiplications of features by positive constants, in a copy of `model`; others stay without a word."""
    model = model.clone()
    mask_path = analyse_mask_path(model)
    report = PassReport("fold_gains")
    for node in list(model.graph):
        if node.op_type != "Mul" or node.domain or node.outputs[0].is_graph_output():
            continue
        for value, factor in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
            gain = _gain(value, factor, mask_path)
            if value is not None and gain is not None and _fold(value, gain, mask_path, report):
                replace_output(node.outputs[0], value)
                model.graph.remove(node, safe=True)
                report.change(node)
                break
    return model, report


def _gain(value: ir.Value | None, factor: ir.Value | None, mask_path: MaskPath) -> Array | None:
    """The gain for each channel of features; None if this is no product of features and positive constants."""
    array, count = constant(factor), channels(value)
    if array is None or count is None or value not in mask_path.image_dependent or array.dtype != np.float32:
        return None
    by_channel = array.size == 1 or (array.ndim >= 3 and array.shape[-3] == array.size == count)
    if not by_channel or not (array > 0).all():
        return None
    return np.broadcast_to(array.reshape(-1), (count,)).astype(np.float64)


def _fold(value: ir.Value, gain: Array, mask_path: MaskPath, report: PassReport) -> bool:
    """Scale what makes `value`, activations passed over; whether that could be done."""
    while (activation := next(filter(None, (only_use(value, op) for op in ACTIVATIONS)), None)) is not None:
        source = activation.inputs[0]
        assert source is not None
        value = source
        if value.is_graph_output() or len(value.uses()) != 1:
            return False
    return scale_producer(value, gain, mask_path, report, "gain folded") is None

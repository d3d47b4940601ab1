"""Mask sums as sums of shifted planes, which a GPU's compiler fuses with everything pointwise around them.

A window sum over one plane is two sums over shifted copies, of rows and then of columns, and repeating places is a
broadcast along a new axis::

    conv_1(m)[i, j]  =  sum_b  ( sum_a  pad(m)[s i + a, s j + b] )
    up(m)            =  reshape(broadcast(m))

A convolution with one channel is a kernel of its own, and so is what follows it: two for each level of a network. In
this form the compiler of TensorRT-RTX makes 8 kernels of a U-Net's 28, by its kernel plan (`docs/kernel-plan.md`). The
sums are of integers, exact in any order. For FP16 graphs only: ONNX Runtime runs each node for itself.
"""

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import analyse_mask_path
from ..analysis.nearest_upsampling import nearest_factors
from ..ir_tools import (
    FLOATS,
    add_constant,
    constant,
    infer_types,
    insert_before,
    integers,
    remove_unused,
    replace_output,
)
from ..report import PassReport

LARGEST = 11
"""Rows or columns of a window; larger ones stay convolutions."""

END = np.iinfo(np.int64).max


def shift_mask_sums(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Rewrite window sums and nearest upsampling of single planes of the mask path in a copy of `model`."""
    model = infer_types(model)
    report = PassReport("shift_mask_sums")
    masks = analyse_mask_path(model).mask_only
    for node in list(model.graph):
        if node.domain or not node.inputs or node.inputs[0] not in masks or node.inputs[0].dtype not in FLOATS:
            continue
        new = None
        if node.op_type == "Conv":
            new = _shifted_sum(model.graph, node)
        elif node.op_type == "Resize":
            new = _broadcast(model.graph, node)
        if new is not None:
            report.change(node)
            new.type, new.shape = node.outputs[0].type, node.outputs[0].shape
            replace_output(node.outputs[0], new)
    return remove_unused(model), report


def _shifted_sum(graph: ir.Graph, node: ir.Node) -> ir.Value | None:
    """The window sum before `node`, a convolution that is one; None if it is none."""
    weight = constant(node.inputs[1])
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros(1)
    padded = "auto_pad" in node.attributes and node.attributes["auto_pad"].as_string() not in ("NOTSET", "")
    if weight is None or bias is None or weight.shape[:2] != (1, 1) or weight.ndim != 4 or padded:
        return None
    if bias.any() or (weight != weight.flat[0]).any() or max(weight.shape) > LARGEST:
        return None
    pads, strides, dilations = (
        integers(node, name, default)
        for name, default in (("pads", [0, 0, 0, 0]), ("strides", [1, 1]), ("dilations", [1, 1]))
    )
    value = node.inputs[0]
    if any(pads):
        both = np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64)
        value = _insert(node, "Pad", value, add_constant(graph, "window_pads", both))
    for axis in (2, 3):
        value = _sum_along(
            graph, node, value, axis, weight.shape[axis], strides[axis - 2], dilations[axis - 2]
        )  # fmt: skip
    if weight.flat[0] != 1:
        value = _insert(node, "Mul", value, add_constant(graph, "window_weight", weight.reshape(-1)[0]))
    return value


def _sum_along(
    graph: ir.Graph, node: ir.Node, value: ir.Value | None, axis: int, size: int, stride: int, dilation: int
) -> ir.Value | None:
    """The sum of `size` planes, each shifted by `dilation` more than the one before, of every `stride`-th place."""
    total = None
    for index in range(size):
        # From the end, so that it holds for images of any size.
        last = -(size - 1 - index) * dilation or END
        numbers = [
            add_constant(graph, f"window_{what}", np.array([number], np.int64))
            for what, number in (("start", index * dilation), ("end", last), ("axis", axis), ("step", stride))
        ]
        shifted = _insert(node, "Slice", value, *numbers)
        total = shifted if total is None else _insert(node, "Add", total, shifted)
    return total


def _broadcast(graph: ir.Graph, node: ir.Node) -> ir.Value | None:
    """Nearest upsampling of [N,C,H,W] before `node`, an axis at a time: each place repeated along a new last axis."""
    factors = nearest_factors(node)
    if factors is None or node.inputs[0] is None or node.inputs[0].shape is None or len(node.inputs[0].shape) != 4:
        return None
    value: ir.Value | None = node.inputs[0]
    last = add_constant(graph, "repeat_axis", np.array([4], np.int64))
    joined = add_constant(graph, "repeat_joined", np.array([0, 0, 0, -1], np.int64))
    for factor in factors[-2:]:
        times = add_constant(graph, "repeat_times", np.array([1, 1, 1, 1, int(factor)], np.int64))
        value = insert_before(node, "Transpose", [value], {"perm": [0, 1, 3, 2]}, dtype=node.inputs[0].dtype)
        value = _insert(node, "Expand", _insert(node, "Unsqueeze", value, last), times)
        value = _insert(node, "Reshape", value, joined)
    return value


def _insert(node: ir.Node, op: str, *inputs: ir.Value | None) -> ir.Value:
    assert node.inputs[0] is not None
    return insert_before(node, op, list(inputs), dtype=node.inputs[0].dtype)

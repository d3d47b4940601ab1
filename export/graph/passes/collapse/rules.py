"""How each operator of the mask path is computed narrow. A rule that does not apply leaves the value wide."""

import itertools

import numpy as np
import onnx_ir as ir

from ...ir_tools import Array, add_constant, channels, constant, insert_before
from ...operators import CHANNEL_BY_CHANNEL, OVER_CHANNELS, POINTWISE_OF_MASKS, REPEATS, SAME_FOR_EQUAL_CHANNELS
from .narrow_forms import Groups, NarrowForms
from .resizing import resizes_places


def narrow_node(forms: NarrowForms, node: ir.Node) -> None:
    """Give the result of a node that no image value reaches a narrow form, if there is one."""
    if node.op_type == "Split":
        _split(forms, node)
        return
    wide = channels(node.outputs[0])
    if len(node.outputs) != 1 or node.domain or wide is None:
        return
    if node.op_type in REPEATS:
        _repeat(forms, node, wide)
    elif node.outputs[0] not in forms.mask_path.mask_only:
        return
    elif node.op_type == "Conv":
        reason = _convolve(forms, node)
        if reason is None:
            forms.report.change(node)
        elif (channels(node.inputs[0]) or 2) > 1:
            forms.report.refuse(node, reason)
    elif wide > 1 and node.op_type == "Concat":
        _concatenate(forms, node)
    elif node.op_type == "Slice" and _slice_of_channels(node) is not None:
        _cut(forms, node)
    elif wide > 1 and node.op_type in CHANNEL_BY_CHANNEL:
        _by_channel(forms, node)
    elif wide > 1 and node.op_type in POINTWISE_OF_MASKS:
        _pointwise(forms, node)
    elif wide == 1 and node.op_type in OVER_CHANNELS:
        _reduce(forms, node)


def _repeat(forms: NarrowForms, node: ir.Node, wide: int) -> None:
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    array = constant(source)
    # A number that was only given a shape broadcasts by itself.
    is_plane = source in forms.mask_path.mask_only and channels(source) == 1 and _same_places(source, output)
    if wide > 1 and (is_plane or (array is not None and array.size == 1)):
        forms.set(output, source, (wide,))


def _convolve(forms: NarrowForms, node: ir.Node) -> str | None:
    """Narrow a convolution of the mask, or say why not."""
    output = node.outputs[0]
    form, weight = forms.of(node.inputs[0]), constant(node.inputs[1])
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    has_other_bias = len(node.inputs) > 2 and node.inputs[2] is not None and bias is None
    if form is None or weight is None or has_other_bias:
        unknown = "number of mask channels" if form is None else "weight" if weight is None else "bias"
        return f"its {unknown} is not constant"
    value, groups = form
    convolution_groups = node.attributes["group"].as_int() if "group" in node.attributes else 1
    if sum(groups) != weight.shape[1] * convolution_groups:
        return "its mask stands for a number that was given a shape"
    summed = _sum_inputs(weight, groups, convolution_groups).astype(np.float32)
    rows = summed.reshape(len(summed), -1)
    if bias is not None:
        rows = np.concatenate([rows, bias.reshape(-1, 1)], axis=1)
    starts = [0, *(1 + np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)))]
    if summed[starts].size == weight.size:
        return f"its {sum(groups)} mask channels are not proven identical"
    inputs: list[ir.Value | None] = [value, add_constant(forms.graph, f"{output.name}_window", summed[starts])]
    if bias is not None and bias.any():
        inputs.append(add_constant(forms.graph, f"{output.name}_offset", bias[starts].astype(np.float32)))
    narrow = forms.repeat_node(node, inputs, output, len(starts), without="group")
    forms.set(output, narrow, tuple(int(size) for size in np.diff([*starts, len(rows)])))
    return None


def _concatenate(forms: NarrowForms, node: ir.Node) -> None:
    output = node.outputs[0]
    operands = [forms.of(value) for value in node.inputs]
    axis = node.attributes["axis"].as_int()
    found = [form for form in operands if form is not None]
    if axis != 1 or len(found) != len(operands) or all(value not in forms.narrow for value in node.inputs):
        return
    if any(channels(value) != len(sizes) for value, sizes in found):
        return  # a number that stands for a plane has no places to concatenate
    groups = tuple(size for _, sizes in found for size in sizes)
    forms.set(output, forms.repeat_node(node, [value for value, _ in found], output, len(groups)), groups)


def _by_channel(forms: NarrowForms, node: ir.Node) -> None:
    output = node.outputs[0]
    form = forms.of(node.inputs[0])
    if form is None or node.inputs[0] not in forms.narrow or channels(form[0]) != len(form[1]):
        return
    if channels(output) != sum(form[1]):
        return
    inputs: list[ir.Value | None] = [form[0], *node.inputs[1:]]
    if node.op_type == "Resize" and not resizes_places(forms.graph, node, inputs, len(form[1])):
        return
    if node.op_type == "Pad" and not _pads_places(node):
        return
    if node.op_type == "Slice" and not _slices_places(node):
        return
    forms.set(output, forms.repeat_node(node, inputs, output, len(form[1])), form[1])


def _cut(forms: NarrowForms, node: ir.Node) -> None:
    """A slice of channels: the groups that reach into it."""
    form, limits = forms.of(node.inputs[0]), _slice_of_channels(node)
    if form is None or limits is None or node.inputs[0] not in forms.narrow:
        return
    start, end, _ = slice(*limits).indices(sum(form[1]))
    forms.take(node, form, start, end, node.outputs[0])


def _split(forms: NarrowForms, node: ir.Node) -> None:
    form = forms.of(node.inputs[0])
    sizes = [channels(output) for output in node.outputs]
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
    if form is None or node.inputs[0] not in forms.narrow or axis != 1 or None in sizes:
        return
    edges = np.cumsum([0, *(size or 0 for size in sizes)])
    if edges[-1] == sum(form[1]):
        for output, (start, end) in zip(node.outputs, itertools.pairwise(edges), strict=True):
            forms.take(node, form, int(start), int(end), output)


def _reduce(forms: NarrowForms, node: ir.Node) -> None:
    output = node.outputs[0]
    form = forms.of(node.inputs[0])
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    keeps = "keepdims" not in node.attributes or node.attributes["keepdims"].as_int()
    if form is None or node.inputs[0] not in forms.narrow or axes is None or axes.tolist() not in ([1], [-3]):
        return
    value, groups = form
    if channels(value) != len(groups) or not keeps:
        return
    if node.op_type == "ReduceProd" and not forms.mask_path.holds_zeros_and_ones(node.inputs[0]):
        return
    if node.op_type in SAME_FOR_EQUAL_CHANNELS:
        forms.set(output, forms.repeat_node(node, [value, node.inputs[1]], output, 1), (1,))
        return
    share = sum(groups) if node.op_type == "ReduceMean" else 1
    weight = (np.array(groups, dtype=np.float64) / share).astype(np.float32).reshape(1, -1, 1, 1)
    kernel = add_constant(forms.graph, f"{output.name}_channels", weight)
    narrow = insert_before(node, "Mul" if len(groups) == 1 else "Conv", [value, kernel], like=output)
    forms.set(output, narrow, (1,))


def _pointwise(forms: NarrowForms, node: ir.Node) -> None:
    output = node.outputs[0]
    groups = {forms.groups[value] for value in node.inputs if value in forms.groups}
    if len(groups) != 1:
        return
    (sizes,) = groups
    inputs: list[ir.Value | None] = []
    for value in node.inputs:
        operand = forms.operand(value, sizes)
        if operand is None and value is not None:
            return
        inputs.append(operand)
    # Numbers without a plane make no plane.
    if not any(channels(operand) == len(sizes) for operand in inputs if operand is not None):
        return
    forms.set(output, forms.repeat_node(node, inputs, output, len(sizes)), sizes)


def _sum_inputs(weight: Array, groups: Groups, convolution_groups: int) -> Array:
    """A kernel [O,C/convolution_groups,...] with its weights summed over each group of input channels, [O,G,...]."""
    edges = np.cumsum((0, *groups))
    outputs, inputs = weight.shape[:2]
    summed = np.zeros((outputs, len(groups), *weight.shape[2:]))
    for part in range(convolution_groups):
        rows = slice(part * outputs // convolution_groups, (part + 1) * outputs // convolution_groups)
        for group, (start, end) in enumerate(itertools.pairwise(edges)):
            seen = slice(max(start - part * inputs, 0), max(end - part * inputs, 0))
            summed[rows, group] = weight[rows, seen].astype(np.float64).sum(axis=1)
    return summed


def _slice_of_channels(node: ir.Node) -> tuple[int, int] | None:
    """First and last channel of a Slice that cuts only channels, one by one."""
    starts, ends, axes = (constant(value) for value in (*node.inputs[1:4], None, None, None)[:3])
    steps = constant(node.inputs[4]) if len(node.inputs) > 4 else np.ones(1)
    if starts is None or ends is None or axes is None or steps is None or axes.tolist() not in ([1], [-3]):
        return None
    return (int(starts[0]), int(ends[0])) if steps.tolist() == [1] else None


def _pads_places(node: ir.Node) -> bool:
    pads = constant(node.inputs[1])
    return len(node.inputs) < 4 and pads is not None and pads.size == 8 and not pads[[0, 1, 4, 5]].any()


def _slices_places(node: ir.Node) -> bool:
    axes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    return axes is not None and set(axes.tolist()) <= {2, 3, -1, -2}


def _same_places(first: ir.Value, second: ir.Value) -> bool:
    """Whether two [N,C,H,W] values have the same N, H and W."""
    if first.shape is None or second.shape is None:
        return False
    return [first.shape[axis] for axis in (0, 2, 3)] == [second.shape[axis] for axis in (0, 2, 3)]

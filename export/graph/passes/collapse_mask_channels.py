r"""Mask channels that are identical, carried once.

Many layers carry a mask with as many channels as the features and convolve it with ones, which doubles the
multiply-adds of the network and its file. Here every value of the mask path gets its *groups*: runs of channels that
are proven identical. A value with groups of sizes `C_1 ... C_G` is then computed with `G` channels instead of
`C_1 + ... + C_G`::

    conv_W(m)[o]  =  sum_g (sum_{c in g} W[o, c]) * m_g          and output channels o with equal rows are one group

A convolution with groups of its own is one whose other weights are zero, and a sum or mean over channels one whose
kernel is a single place. Concatenation joins groups; resampling, pooling, padding, cropping and everything pointwise
keep them. Where a mask of one group meets
features it broadcasts. Where one of several groups multiplies a concatenation of features, each part is multiplied by
its own plane::

    cat(a, b) * cat(m_1, m_2)  =  cat(a * m_1, b * m_2)

Whatever else needs a wide mask gets the planes repeated.

A value is left as it is where a rule does not apply; its users see it as before.
"""

import itertools
import math

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import Array, add_constant, channels, constant, insert_before, remove_unused
from ..report import PassReport

Groups = tuple[int, ...]

POINTWISE = frozenset(
    {
        "Abs", "Add", "And", "Cast", "Clip", "Div", "Equal", "Greater", "GreaterOrEqual", "Identity", "Less",
        "LessOrEqual", "Max", "Min", "Mul", "Neg", "Not", "Or", "Reciprocal", "Relu", "Sub", "Where",
    }
)  # fmt: skip
"""Operators whose result at a place depends on their operands at that place alone."""

BY_CHANNEL = frozenset({"AveragePool", "MaxPool", "Pad", "Resize", "Slice"})
"""Operators that treat every channel for itself and alike, if they are not told to do otherwise."""

COMPUTING = BY_CHANNEL | POINTWISE | {"Concat", "Conv", "Gather", "Split"}
"""Operators whose wide result is worth making of a narrow one; what merely repeats a plane is not."""

OVER_CHANNELS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"})
"""Operators that may take all channels together."""


def collapse_mask_channels(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Carry identical mask channels once, in a copy of `model`; the report names the convolutions that shrank."""
    model = model.clone()
    report = PassReport("collapse_mask_channels")
    collapse = _Collapse(model.graph, analyse_mask_path(model), report)
    for node in list(model.graph):
        collapse.visit(node)
    collapse.finish_outputs()
    return remove_unused(model), report


class _Collapse:
    """The narrow form of each wide value of the mask path, [N,G,H,W], and the sizes of its groups."""

    def __init__(self, graph: ir.Graph, mask_path: MaskPath, report: PassReport):
        self.graph = graph
        self.mask_path = mask_path
        self.report = report
        self.narrow: dict[ir.Value, ir.Value] = {}
        self.groups: dict[ir.Value, Groups] = {}
        self.widened: dict[ir.Value, ir.Value] = {}

    def visit(self, node: ir.Node) -> None:
        if not any(value in self.mask_path.image_dependent for value in node.outputs):
            if node.op_type == "Split":
                self._split(node)
            elif len(node.outputs) == 1 and not node.domain:
                self._narrow_node(node)
            if any(value in self.narrow for value in node.outputs):
                return
        self._meet_features(node)

    def finish_outputs(self) -> None:
        """Outputs of the graph keep their shape."""
        for index, value in enumerate(self.graph.outputs):
            if value in self.narrow and len(self.groups[value]) == 1:
                shape = add_constant(self.graph, "channels", np.array([1, self.groups[value][0], 1, 1], np.int64))
                node = ir.node("Expand", [self.narrow[value], shape], num_outputs=1)
                node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
                self.graph.append(node)
                self.graph.outputs[index] = node.outputs[0]
                node.outputs[0].name, value.name = value.name, f"{value.name}_wide"

    def _set(self, wide: ir.Value, narrow: ir.Value, groups: Groups) -> None:
        self.narrow[wide] = narrow
        self.groups[wide] = groups
        self.report.planes[str(wide.name)] = len(groups)

    def _form(self, value: ir.Value | None) -> tuple[ir.Value, Groups] | None:
        """Narrow form and groups of an operand; what has none is its own, with a group for each channel."""
        if value is None:
            return None
        if value in self.narrow:
            return self.narrow[value], self.groups[value]
        count = channels(value)
        return (value, (1,) * count) if value in self.mask_path.mask_only and count is not None else None

    def _narrow_node(self, node: ir.Node) -> None:
        output = node.outputs[0]
        wide = channels(output)
        if wide is None:
            return
        if node.op_type in ("Expand", "Tile"):
            self._expand(node, output, wide)
        elif output in self.mask_path.mask_only:
            if node.op_type == "Conv":
                reason = self._convolve(node, output)
                if reason is None:
                    self.report.change(node)
                elif (channels(node.inputs[0]) or 2) > 1:
                    self.report.refuse(node, reason)
            elif wide > 1 and node.op_type == "Concat":
                self._concatenate(node, output)
            elif node.op_type == "Slice" and _slice_of_channels(node) is not None:
                self._cut(node, output)
            elif wide > 1 and node.op_type in BY_CHANNEL:
                self._by_channel(node, output)
            elif wide > 1 and node.op_type in POINTWISE:
                self._pointwise(node, output)
            elif wide == 1 and node.op_type in OVER_CHANNELS:
                self._reduce(node, output)

    def _expand(self, node: ir.Node, output: ir.Value, wide: int) -> None:
        source = node.inputs[0]
        assert source is not None
        array = constant(source)
        # A number that was only given a shape broadcasts by itself.
        is_plane = source in self.mask_path.mask_only and channels(source) == 1 and _same_places(source, output)
        if wide > 1 and (is_plane or (array is not None and array.size == 1)):
            self._set(output, source, (wide,))

    def _convolve(self, node: ir.Node, output: ir.Value) -> str | None:
        """Narrow a convolution of the mask, or say why not."""
        form, weight = self._form(node.inputs[0]), constant(node.inputs[1])
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
        inputs: list[ir.Value | None] = [value, add_constant(self.graph, f"{output.name}_window", summed[starts])]
        if bias is not None and bias.any():
            inputs.append(add_constant(self.graph, f"{output.name}_offset", bias[starts].astype(np.float32)))
        narrow = self._add(node, inputs, output, len(starts), without="group")
        self._set(output, narrow, tuple(int(size) for size in np.diff([*starts, len(rows)])))
        return None

    def _concatenate(self, node: ir.Node, output: ir.Value) -> None:
        forms = [self._form(value) for value in node.inputs]
        axis = node.attributes["axis"].as_int()
        found = [form for form in forms if form is not None]
        if axis != 1 or len(found) != len(forms) or all(value not in self.narrow for value in node.inputs):
            return
        if any(channels(value) != len(sizes) for value, sizes in found):
            return  # a number that stands for a plane has no places to concatenate
        groups = tuple(size for _, sizes in found for size in sizes)
        self._set(output, self._add(node, [value for value, _ in found], output, len(groups)), groups)

    def _by_channel(self, node: ir.Node, output: ir.Value) -> None:
        form = self._form(node.inputs[0])
        if form is None or node.inputs[0] not in self.narrow or channels(form[0]) != len(form[1]):
            return
        if channels(output) != sum(form[1]):
            return
        inputs: list[ir.Value | None] = [form[0], *node.inputs[1:]]
        if node.op_type == "Resize" and not self._resizes_places(node, inputs, len(form[1])):
            return
        if node.op_type == "Pad" and not _pads_places(node):
            return
        if node.op_type == "Slice" and not _slices_places(node):
            return
        self._set(output, self._add(node, inputs, output, len(form[1])), form[1])

    def _resizes_places(self, node: ir.Node, inputs: list[ir.Value | None], count: int) -> bool:
        """Whether a Resize leaves channels alone; sizes, which name their number, become those for `count` channels."""
        scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        if scales is not None and scales.size:
            return scales.size == 4 and scales.reshape(-1)[1] == 1
        if len(node.inputs) < 4 or "axes" in node.attributes:
            return "axes" in node.attributes and 1 not in node.attributes["axes"].as_ints()
        sizes = node.inputs[3]
        array, joined = constant(sizes), sizes.producer() if sizes is not None else None
        number = np.array([count], dtype=np.int64)
        if array is not None and array.size == 4:
            fixed = np.concatenate([array[:1], number, array[2:]]).astype(np.int64)
            inputs[3] = add_constant(self.graph, "sizes", fixed)
            return True
        if joined is None or sizes is None:
            return False
        limits = [add_constant(self.graph, f"axis_{axis}", np.array([axis], np.int64)) for axis in (0, 1, 2, 4)]
        count_of_pictures = insert_before(node, "Slice", [sizes, limits[0], limits[1]], dtype=sizes.dtype)
        places = insert_before(node, "Slice", [sizes, limits[2], limits[3]], dtype=sizes.dtype)
        parts: list[ir.Value | None] = [count_of_pictures, add_constant(self.graph, "channels", number), places]
        inputs[3] = insert_before(node, "Concat", parts, {"axis": 0}, like=sizes)
        return True

    def _cut(self, node: ir.Node, output: ir.Value) -> None:
        """A slice of channels: the groups that reach into it."""
        form, limits = self._form(node.inputs[0]), _slice_of_channels(node)
        if form is None or limits is None or node.inputs[0] not in self.narrow:
            return
        start, end, _ = slice(*limits).indices(sum(form[1]))
        self._take(node, form, start, end, output)

    def _split(self, node: ir.Node) -> None:
        form = self._form(node.inputs[0])
        sizes = [channels(output) for output in node.outputs]
        axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
        if form is None or node.inputs[0] not in self.narrow or axis != 1 or None in sizes:
            return
        edges = np.cumsum([0, *(size or 0 for size in sizes)])
        if edges[-1] == sum(form[1]):
            for output, (start, end) in zip(node.outputs, itertools.pairwise(edges), strict=True):
                self._take(node, form, int(start), int(end), output)

    def _take(self, node: ir.Node, form: tuple[ir.Value, Groups], start: int, end: int, output: ir.Value) -> None:
        """Channels `start` to `end` of a value with a narrow form."""
        value, groups = form
        edges = np.cumsum((0, *groups))
        sizes = [max(0, min(end, int(high)) - max(start, int(low))) for low, high in itertools.pairwise(edges)]
        taken = [index for index, size in enumerate(sizes) if size]
        if not taken or channels(value) != len(groups):
            return
        if len(taken) < len(groups):
            index = add_constant(self.graph, "groups", np.array(taken, np.int64))
            cut = insert_before(node, "Gather", [value, index], {"axis": 1}, like=output)
            assert output.shape is not None
            cut.shape = ir.Shape([output.shape[0], len(taken), *list(output.shape)[2:]])
            value = cut
        self._set(output, value, tuple(sizes[index] for index in taken))

    def _reduce(self, node: ir.Node, output: ir.Value) -> None:
        form = self._form(node.inputs[0])
        axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
        keeps = "keepdims" not in node.attributes or node.attributes["keepdims"].as_int()
        if form is None or node.inputs[0] not in self.narrow or axes is None or axes.tolist() not in ([1], [-3]):
            return
        value, groups = form
        if channels(value) != len(groups) or not keeps:
            return
        if node.op_type == "ReduceProd" and not self.mask_path.holds_zeros_and_ones(node.inputs[0]):
            return
        if node.op_type in ("ReduceMax", "ReduceMin", "ReduceProd"):
            self._set(output, self._add(node, [value, node.inputs[1]], output, 1), (1,))
            return
        share = sum(groups) if node.op_type == "ReduceMean" else 1
        weight = (np.array(groups, dtype=np.float64) / share).astype(np.float32).reshape(1, -1, 1, 1)
        kernel = add_constant(self.graph, f"{output.name}_channels", weight)
        narrow = insert_before(node, "Mul" if len(groups) == 1 else "Conv", [value, kernel], like=output)
        self._set(output, narrow, (1,))

    def _pointwise(self, node: ir.Node, output: ir.Value) -> None:
        groups = {self.groups[value] for value in node.inputs if value in self.groups}
        if len(groups) != 1:
            return
        (sizes,) = groups
        inputs: list[ir.Value | None] = []
        for value in node.inputs:
            operand = self._operand(value, sizes)
            if operand is None and value is not None:
                return
            inputs.append(operand)
        # Numbers alone make no plane.
        if not any(channels(operand) == len(sizes) for operand in inputs if operand is not None):
            return
        self._set(output, self._add(node, inputs, output, len(sizes)), sizes)

    def _operand(self, value: ir.Value | None, sizes: Groups) -> ir.Value | None:
        """What stands for an operand beside values of these groups; None if it has no such form."""
        if value is None:
            return None
        if value in self.narrow:
            return self.narrow[value]
        array = constant(value)
        if array is None:
            return value if channels(value) == 1 and value in self.mask_path.mask_only else None
        if array.size == 1:
            return value
        reduced = _reduce_constant(array, sizes)
        return None if reduced is None else add_constant(self.graph, f"{value.name}_narrow", reduced)

    def _add(
        self, node: ir.Node, inputs: list[ir.Value | None], like: ir.Value, size: int, without: str = ""
    ) -> ir.Value:
        """The node again, over narrow operands, and without one of its attributes."""
        attributes = {name: attribute for name, attribute in node.attributes.items() if name != without}
        narrow = insert_before(node, node.op_type, inputs, attributes, like=like)
        assert like.shape is not None
        narrow.shape = ir.Shape([like.shape[0], size, like.shape[2], like.shape[3]])
        return narrow

    def _meet_features(self, node: ir.Node) -> None:
        """Give a node that has no narrow form what it needs of narrow values, so that nothing else uses wide ones."""
        for index, value in enumerate(node.inputs):
            if value is None or value not in self.narrow:
                continue
            narrow, groups = self.narrow[value], self.groups[value]
            if len(groups) == 1 and node.op_type in POINTWISE and channels(narrow) == 1:
                # Another operand must keep the result as wide as it was.
                others = [operand for place, operand in enumerate(node.inputs) if place != index]
                wide = channels(node.outputs[0])
                if wide is not None and any(channels(operand) == wide for operand in others):
                    node.replace_input_with(index, narrow)
                    continue
            if node.op_type != "Mul" or not self._multiply_parts(node, index, groups):
                self._widen(node, index, value)

    def _widen(self, node: ir.Node, index: int, value: ir.Value) -> None:
        """The wide value again, made of the narrow one, so that what computed it is no longer needed."""
        narrow, groups = self.narrow[value], self.groups[value]
        producer = value.producer()
        if channels(narrow) != len(groups) or producer is None or producer.op_type not in COMPUTING:
            return
        if value not in self.widened:
            places = np.repeat(np.arange(len(groups)), groups).astype(np.int64)
            chosen = add_constant(self.graph, f"{value.name}_channels", places)
            made = narrow.producer()
            widened = ir.node("Gather", [narrow, chosen], {"axis": 1}, num_outputs=1)
            widened.outputs[0].type, widened.outputs[0].shape = value.type, value.shape
            assert made is not None
            self.graph.insert_after(made, widened)
            self.widened[value] = widened.outputs[0]
        node.replace_input_with(index, self.widened[value])

    def _multiply_parts(self, node: ir.Node, index: int, groups: Groups) -> bool:
        """Whether a product with a mask of several groups became products of the parts of its features."""
        mask, feature = node.inputs[index], node.inputs[1 - index]
        joined = feature.producer() if feature is not None else None
        planes = self.narrow[mask].producer() if mask is not None else None
        if joined is None or joined.op_type != "Concat" or planes is None or planes.op_type != "Concat":
            return False
        if joined.attributes["axis"].as_int() != 1 or tuple(channels(part) for part in joined.inputs) != groups:
            return False
        if any(channels(plane) != 1 for plane in planes.inputs) or len(planes.inputs) != len(groups):
            return False
        products: list[ir.Value | None] = [
            insert_before(node, "Mul", [part, plane], like=part)
            for part, plane in zip(joined.inputs, planes.inputs, strict=True)
        ]
        together = insert_before(node, "Concat", products, {"axis": 1}, like=node.outputs[0])
        ir.convenience.replace_all_uses_with(node.outputs[0], together)
        return True


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
    """First and last channel of a Slice that cuts channels alone, one by one."""
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


def _reduce_constant(array: Array, sizes: Groups) -> Array | None:
    """One channel for each group of a constant that is the same within every group, or None."""
    if array.ndim < 3 or array.shape[-3] not in (1, math.fsum(sizes)):
        return None
    if array.shape[-3] == 1:
        return array
    edges = np.cumsum((0, *sizes))
    parts = np.split(array, edges[1:-1], axis=-3)
    if not all(bool((part == part.take([0], axis=-3)).all()) for part in parts):
        return None
    return np.concatenate([part.take([0], axis=-3) for part in parts], axis=-3)

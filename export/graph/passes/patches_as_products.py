r"""Convolutions whose weights are patches of features, as matrix products: what contextual attention consists of.

Contextual attention (Yu et al., CVPR 2018, section 4) compares features with patches of features and pastes patches.
Implementations convolve with the patches as weights, which engines take less well than products, and which multiplies
what overlapping patches share again and again. With P_l the k x k patch of a map b around place l, 1/n_l a factor for
each patch, and [q, l] a matrix of places of the features with places of the map:

*Scores.* Neighbouring patches share rows. With R_p the k places from p on in one row, and w the places in a row::

    conv(x, P / n)[l, q]  =  (sum over y < k of  d[l + y w, q + y w']) / n_l             d[l, q] = <R_l of b, R_q of x>

so the product is over a k-th of the numbers, and what is added are shifted parts of one matrix.

*Pasting.* A patch of side k = m s, cut out and pasted with stride s, is m x m blocks of side s, so with B the blocks::

    conv_transpose(a, P)  =  blocks of  a' @ B               a'[p, q] = sum of a[p - e, q - e] over shifts e of m x m

which is an m^2-th of the multiply-adds.

*Fusion* of neighbouring scores convolves the matrix of scores with a unit matrix: a sum of few shifted parts.

Exact up to the order of sums. Which patches a weight holds is proven by `analysis/patches.py`, whoever wrote them.
"""

import numpy as np
import onnx_ir as ir

from ..analysis.patches import Patches, patches_in, sizes
from ..cleanup.merge_sums import merge_sums
from ..ir_tools import add_constant, constant, infer_types, insert_before, integers, remove_unused, replace_output
from ..operators import VIEWS
from ..report import PassReport


def patches_as_products(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Rewrite, in a copy of `model`, convolutions with patches for weights; the report says why one stayed."""
    model = model.clone()
    report = PassReport("patches_as_products")
    rewrites = {"Conv": _scores, "ConvTranspose": _paste}
    for node in list(model.graph):
        rewrite = rewrites.get(node.op_type)
        if rewrite is None or node.domain or len(node.inputs) < 2:
            continue
        if constant(node.inputs[1]) is not None:
            rewrite = _few_taps
        elif None in (sizes(node.inputs[0]), sizes(node.inputs[1])):
            report.refuse(node, "its weights are computed, and its sizes are free")
            continue
        result = rewrite(node)
        if isinstance(result, str):
            report.refuse(node, result)
        elif result is not None:
            report.change(node)
            result.type, result.shape = node.outputs[0].type, node.outputs[0].shape
            replace_output(node.outputs[0], result)
    if report.changed:
        merge_sums(model.graph)  # the norms of patches
        model = infer_types(remove_unused(model))
    return model, report


def _scores(node: ir.Node) -> ir.Value | str | None:
    """A convolution of features with patches, each times a factor; or why it stays."""
    if _bias(node) or not _is_plain(node, strides=1):
        return "its weights are computed, and it has a bias, strides, dilations or groups"
    patches, norms, divides = _without_norm(node.inputs[1])
    shape = sizes(node.inputs[0])
    if patches is None or patches.stride != 1 or shape is None or shape[0] != 1:
        return _reason(node)
    side = integers(node, "kernel_shape", [0])[0]
    if min(patches.rows * patches.columns, shape[2] * shape[3]) < side * side:
        return "too few places"
    write = _Writing(node)
    of_map = write.image(patches)
    left = write.rows(write.margin(of_map, [patches.margin] * 4), side)
    right = write.rows(write.margin(node.inputs[0], integers(node, "pads", [0] * 4)), side)
    turned = write.new("Transpose", [left[0]], perm=[1, 0])
    product = write.new("MatMul", [turned, right[0]])
    count, size = patches.rows * patches.columns, (right[1] - side + 1) * right[2]
    parts = [
        write.slice(product, [0, 1], [y * left[2], y * right[2]], [y * left[2] + count, y * right[2] + size])
        for y in range(side)
    ]
    scores = write.total(parts)
    if norms is not None:
        column = write.reshape(norms, [count, 1])
        scores = write.new("Div" if divides else "Mul", [scores, column])
    return write.reshape(scores, [1, count, right[1] - side + 1, right[2]])


def _paste(node: ir.Node) -> ir.Value | str | None:
    """A transposed convolution that pastes patches; or why it stays."""
    side, stride = integers(node, "kernel_shape", [0])[0], integers(node, "strides", [1])[0]
    if _bias(node) or not _is_plain(node, strides=stride) or any(integers(node, "output_padding", [0, 0])):
        return "its weights are computed, and it has a bias, dilations, groups or padding of its output"
    patches = patches_in(node.inputs[1], sizes(node.inputs[1]))
    shape = sizes(node.inputs[0])
    if patches is None or patches.stride != stride or side % stride or shape is None or shape[0] != 1:
        return _reason(node)
    blocks = side // stride
    height, width = (stride * (count + blocks - 1) for count in (patches.rows, patches.columns))
    map_shape = sizes(patches.source)
    assert map_shape is not None
    write = _Writing(node)
    more = [size - was - patches.margin for size, was in zip((height, width), map_shape[2:], strict=True)]
    if min(more) < 0:
        return "its patches do not cover the map"
    padded = write.margin(write.image(patches), [patches.margin, patches.margin, *more])
    values = padded if stride == 1 else write.new("SpaceToDepth", [padded], blocksize=stride)
    count = (patches.rows + blocks - 1) * (patches.columns + blocks - 1)
    values = write.reshape(values, [map_shape[1] * stride * stride, count])
    weights = write.reshape(node.inputs[0], [patches.rows, patches.columns, shape[2], shape[3]])
    for axis in (1, 0):
        weights = write.total([write.shifted(weights, axis, shift, blocks) for shift in range(blocks)])
    rows, columns = shape[2] + blocks - 1, shape[3] + blocks - 1
    pasted = write.new("MatMul", [values, write.reshape(weights, [count, rows * columns])])
    pasted = write.reshape(pasted, [1, map_shape[1] * stride * stride, rows, columns])
    if stride > 1:
        pasted = write.new("DepthToSpace", [pasted], blocksize=stride)
    top, left, bottom, right = integers(node, "pads", [0] * 4)
    ends = [stride * rows - bottom, stride * columns - right]
    return write.slice(pasted, [2, 3], [top, left], ends)


def _few_taps(node: ir.Node) -> ir.Value | None:
    """The sum of shifted parts that a convolution of one channel is whose kernel is a diagonal of ones."""
    weight = constant(node.inputs[1])
    shape = sizes(node.inputs[0])
    assert weight is not None
    if node.op_type != "Conv" or weight.shape[:2] != (1, 1) or weight.ndim != 4 or shape is None:
        return None
    taps = np.argwhere(weight[0, 0])
    square = weight.shape[2] == weight.shape[3] and weight.shape[2] > 1
    if (
        _bias(node)
        or not _is_plain(node, strides=1)
        or not square
        or not np.array_equal(weight[0, 0], np.eye(len(taps)))
    ):
        return None
    write = _Writing(node)
    padded = write.margin(node.inputs[0], integers(node, "pads", [0] * 4))
    result = sizes(node.outputs[0])
    if result is None:
        return None
    return write.total(
        [write.slice(padded, [2, 3], [y, x], [int(y) + result[2], int(x) + result[3]]) for y, x in taps.tolist()]
    )


def _without_norm(weight: ir.Value | None) -> tuple[Patches | None, ir.Value | None, bool]:
    """The patches of a weight, the factor for each that they are multiplied or divided by, and whether divided."""
    shape = sizes(weight)
    value = weight
    node = value.producer() if value is not None else None
    while node is not None and node.op_type in VIEWS:
        value = node.inputs[0]
        node = value.producer() if value is not None else None
    if node is not None and shape is not None and node.op_type in ("Div", "Mul"):
        for index in (0,) if node.op_type == "Div" else (0, 1):
            factor = sizes(node.inputs[1 - index])
            if factor is not None and factor == (shape[0], *[1] * (len(factor) - 1)) and shape[0] > 1:
                return patches_in(node.inputs[index], shape), node.inputs[1 - index], node.op_type == "Div"
    return patches_in(weight, shape), None, False


def _reason(node: ir.Node) -> str | None:
    """Why a convolution with computed weights stays; kernels of 1x1 are products already."""
    if integers(node, "kernel_shape", [1, 1]) == [1, 1]:
        return None
    return "its weights are computed, and not patches of one feature map"


def _bias(node: ir.Node) -> bool:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    array = constant(bias)
    return bias is not None and (array is None or bool(array.any()))


def _is_plain(node: ir.Node, strides: int) -> bool:
    """Whether a convolution has nothing but these strides and pads that are given."""
    automatic = "auto_pad" in node.attributes and node.attributes["auto_pad"].as_string() not in ("NOTSET", "")
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    given = "output_shape" in node.attributes
    ones, same = integers(node, "dilations", [1, 1]), integers(node, "strides", [1, 1])
    return not automatic and not given and group == 1 and ones == [1, 1] and same == [strides, strides]


class _Writing:
    """Writes nodes before another one, of FP32 values whose sizes are known."""

    def __init__(self, anchor: ir.Node):
        self.anchor = anchor
        assert isinstance(anchor.graph, ir.Graph)
        self.graph = anchor.graph

    def new(self, op: str, operands: list[ir.Value | None], **attributes: object) -> ir.Value:
        return insert_before(self.anchor, op, operands, attributes, dtype=ir.DataType.FLOAT)

    def whole(self, numbers: list[int]) -> ir.Value:
        return add_constant(self.graph, "places", np.array(numbers, np.int64))

    def reshape(self, value: ir.Value | None, shape: list[int]) -> ir.Value:
        return self._shaped(self.new("Reshape", [value, self.whole(shape)]), shape)

    def slice(self, value: ir.Value | None, axes: list[int], starts: list[int], ends: list[int]) -> ir.Value:
        return self.new("Slice", [value, self.whole(starts), self.whole(ends), self.whole(axes)])

    def image(self, patches: Patches) -> ir.Value:
        """The image [1,C,h,w] that the patches are cut out of."""
        shape = sizes(patches.source)
        assert shape is not None
        if shape[0] == 1:
            return patches.source
        return self._shaped(self.slice(patches.source, [0], [patches.image], [patches.image + 1]), [1, *shape[1:]])

    def margin(self, value: ir.Value | None, pads: list[int]) -> ir.Value:
        """A map with zeros above, left, below and right."""
        shape = sizes(value)
        assert value is not None
        assert shape is not None
        if not any(pads):
            return value
        top, left, bottom, right = pads
        padded = self.new("Pad", [value, self.whole([0, 0, top, left, 0, 0, bottom, right])])
        return self._shaped(padded, [*shape[:2], shape[2] + top + bottom, shape[3] + left + right])

    def rows(self, value: ir.Value, side: int) -> tuple[ir.Value, int, int]:
        """Rows of `side` places of a map [1,C,h,w]: [C * side, h * places], and how many rows and places there are."""
        shape = sizes(value)
        assert shape is not None
        _, channels, height, width = shape
        places = width - side + 1
        shifted: list[ir.Value | None] = [self.slice(value, [3], [x], [x + places]) for x in range(side)]
        joined = self.new("Concat", shifted, axis=1)
        return self.reshape(joined, [side * channels, height * places]), height, places

    def shifted(self, weights: ir.Value, axis: int, shift: int, blocks: int) -> ir.Value:
        """Weights [h,w,h',w'] that begin `shift` places later along an axis and that of its partner."""
        before, after = [0] * 4, [0] * 4
        before[axis] = before[axis + 2] = shift
        after[axis] = after[axis + 2] = blocks - 1 - shift
        return self.new("Pad", [weights, self.whole([*before, *after])]) if blocks > 1 else weights

    def total(self, parts: list[ir.Value]) -> ir.Value:
        result = parts[0]
        for part in parts[1:]:
            result = self.new("Add", [result, part])
        return result

    def _shaped(self, value: ir.Value, shape: list[int]) -> ir.Value:
        value.shape = ir.Shape(shape)
        return value

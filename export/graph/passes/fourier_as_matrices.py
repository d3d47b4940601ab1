"""Fourier transforms as matrix products, which every engine has and CPUs do faster.

A discrete Fourier transform is linear: along an axis of length n it is a product with an n x n matrix
(`fourier_matrices.py`). At the sizes of feature maps, 16 to 128, the product costs less than a fast transform's passes
over the memory. Fast Fourier convolution (Chi et al., NeurIPS 2020), which LaMa is made of, transforms rows, then
columns, convolves real and imaginary parts as channels, and goes back.

PyTorch's exporter writes a complex tensor with its real and imaginary part as a last axis, [.., h, w, 2]. Here it is a
*stack*, [.., 2h, w]: the real parts above the imaginary ones. So, with x of [.., h, w] and k bins::

    rows      stack = concat(x @ c, x @ s)                       [.., 2h, k]
    columns   stack = [c, -s; s, c] @ stack                      [.., 2h, k]

and a stack of C channels read as [.., 2C, h, w] already is what `stack(real, imaginary)` and a permutation to channels
make: nothing is transposed (`join_layouts.py`). Scales that the exporter writes around a transform, n or its root, are
part of its matrix (`fourier_scales.py`).

FP16: only unitary matrices (`norm="ortho"`) keep features as large as they were. Any other forward transform is written
as a unitary one, up to a power of two, times that power, which then moves to the transforms back (`move_factor.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from ..ir_tools import add_constant, constant, insert_before, remove_unused, replace_output
from ..report import PassReport
from .fourier_matrices import Kind, Matrices, Size, Transform
from .fourier_scales import axis_of, is_length, scale_after, scale_before
from .join_layouts import Dimension, dimensions, halved, join_layouts, reshape_to, twice
from .move_factor import move_factor

FLAGS = ("inverse", "onesided")
"""Attributes of a DFT that are yes or no."""

USUAL_LENGTH = 64
"""Length by which the power of two is chosen where sizes are free; it need only be near."""


def fourier_as_matrices(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Write every DFT of a copy of `model` as matrix products; the report names those that stayed, and why."""
    model = model.clone()
    report = PassReport("fourier_as_matrices")
    transforms = [node for node in model.graph if node.op_type == "DFT" and not node.domain]
    if not transforms:
        return model, report
    rewriting = _Rewriting(model.graph)
    for node in transforms:
        reason = rewriting.rewrite(node)
        if reason is None:
            report.change(node)
        else:
            report.refuse(node, reason)
    join_layouts(model.graph)
    common.RemoveUnusedNodesPass()(model)  # a DFT that nothing reads any more would hold factors up
    for factor in rewriting.factors:
        reason = move_factor(model.graph, factor, rewriting.back.__contains__, rewriting.absorb)
        if reason is not None:
            report.refuse(factor, f"its features stay larger by this factor, which FP16 may not hold: {reason}")
    return remove_unused(model), report


@dataclass(frozen=True)
class _Place:
    """Where a DFT goes and what it makes.

    Args:
        kind: what it makes of what.
        axis: along which.
        columns: whether that is the last axis but one of the plane.
        inverse: its direction.
        onesided: whether half of a spectrum stands for all of it.
    """

    kind: Kind
    axis: int
    columns: bool
    inverse: bool
    onesided: bool


class _Rewriting:
    """The matrices of one graph, and the factors that transforms left to be moved."""

    def __init__(self, graph: ir.Graph):
        self.graph = graph
        self.matrices = Matrices(graph)
        self.factors: list[ir.Node] = []
        self.back: dict[ir.Node, Transform] = {}

    def rewrite(self, node: ir.Node) -> str | None:
        """Compute what `node` does as a product, in place; or change nothing and say why not."""
        place = _place_of(node)
        if isinstance(place, str):
            return place
        source, before = scale_before(node, place.axis)
        result, after = scale_after(node, place.axis)
        operand = self._real(node, source) if place.kind == "real to complex" else self._stack(node, source)
        exponent = before + after - place.inverse
        sizes = self._sizes(node, place, operand)
        if isinstance(sizes, str):
            return sizes
        power = 0 if place.inverse else round((exponent + 0.5) * math.log2(sizes[0].number or USUAL_LENGTH))
        transform = Transform(place.kind, *sizes, place.inverse, exponent, 2.0**-power, place.columns)
        product = self._product(node, transform, operand)
        if power:
            factor = add_constant(self.graph, "fourier_factor", np.array(2.0**power, np.float32))
            product = insert_before(node, "Mul", [product, factor], like=product)
            producer = product.producer()
            assert producer is not None
            self.factors.append(producer)
        if place.kind == "complex to real":
            whole = self._insert(node, "Unsqueeze", [product, self._axes(-1)], [*dimensions(product), 1])
        else:
            whole = self._unstack(node, product)
        replace_output(result, whole)
        return None

    def absorb(self, node: ir.Node, factor: float) -> None:
        """Give a factor to the matrix of a product that transforms back."""
        transform = self.back[node]
        transform = self.back[node] = replace(transform, gain=transform.gain * factor)
        node.replace_input_with(0 if transform.columns else 1, self.matrices.get(transform, node))

    def _sizes(self, node: ir.Node, place: _Place, operand: ir.Value) -> tuple[Size, Size] | str:
        """The length and the number of bins of a transform; or why they are not known."""
        size = self._side(node, place, operand)
        given = node.inputs[1] if len(node.inputs) > 1 else None
        if place.kind != "complex to real":
            if given is not None and not is_length(given, node, place.axis):
                return "it cuts or fills up its operand to another length"
            return size, self._half(node, size) if place.onesided else size
        if given is None:
            return "the length of what it makes is not given"
        number = constant(given)
        if number is None:
            return Size(None, self._insert(node, "Reshape", [given, self._axes()], []), f"{given.name}"), size
        length = int(number.reshape(-1)[0])
        if size.number is not None and size.number != length // 2 + 1:
            return f"it makes {length} numbers of {size.number} bins; expected {length // 2 + 1} bins"
        return Size(length), size

    def _side(self, node: ir.Node, place: _Place, operand: ir.Value) -> Size:
        """The size of the side of a plane that is transformed; a stack is twice as high as its plane."""
        stacked = place.columns and place.kind != "real to complex"
        axis = len(dimensions(operand)) - (2 if place.columns else 1)
        size = dimensions(operand)[axis]
        if isinstance(size, int):
            return Size(size // 2 if stacked else size)
        shape = self._insert(node, "Shape", [operand], [1], {"start": axis, "end": axis + 1})
        number = self._insert(node, "Reshape", [shape, self._axes()], [])
        if stacked:
            number = self._insert(node, "Div", [number, self._whole(2)], [])
        return Size(None, number, str(halved(size) if stacked else size))

    def _half(self, node: ir.Node, size: Size) -> Size:
        if size.number is not None:
            return Size(size.number // 2 + 1)
        half = self._insert(node, "Div", [size.value, self._whole(2)], [])
        return Size(None, self._insert(node, "Add", [half, self._whole(1)], []), f"{size.name}//2+1")

    def _product(self, node: ir.Node, transform: Transform, operand: ir.Value) -> ir.Value:
        matrix = self.matrices.get(transform, node)
        *leading, height, width = dimensions(operand)
        bins, length = (size.number or ir.SymbolicDim(size.name) for size in (transform.bins, transform.length))
        real = transform.kind == "complex to real"
        if transform.columns:
            product = self._insert(
                node, "MatMul", [matrix, operand], [*leading, length if real else twice(bins), width]
            )
        else:
            if transform.kind != "real to complex":
                height = halved(height)
                parts = self._halves(node, operand, -2, [*leading, height, width])
                operand = self._insert(node, "Concat", parts, [*leading, height, twice(width)], {"axis": -1})
            shape = [*leading, height, length if real else twice(bins)]
            product = self._insert(node, "MatMul", [operand, matrix], shape)
        producer = product.producer()
        assert producer is not None
        if transform.inverse:
            self.back[producer] = transform
        if transform.columns or real:
            return product
        parts = self._halves(node, product, -1, [*leading, height, bins])
        return self._insert(node, "Concat", parts, [*leading, twice(height), bins], {"axis": -2})

    def _halves(self, node: ir.Node, value: ir.Value, axis: int, shape: Sequence[Dimension]) -> list[ir.Value]:
        split = ir.node("Split", [value], {"axis": axis, "num_outputs": 2}, num_outputs=2)
        self.graph.insert_before(node, split)
        for part in split.outputs:
            part.type, part.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(shape)
        return list(split.outputs)

    def _real(self, node: ir.Node, source: ir.Value) -> ir.Value:
        """Real numbers [.., h, w] of [.., h, w, 1]."""
        return self._insert(node, "Squeeze", [source, self._axes(-1)], dimensions(source)[:-1])

    def _stack(self, node: ir.Node, source: ir.Value) -> ir.Value:
        """The stack of complex numbers [.., h, w, 2]."""
        *leading, height, width, two = dimensions(source)
        rank = len(leading)
        order = [*range(rank), rank + 2, rank, rank + 1]
        turned = self._insert(node, "Transpose", [source], [*leading, two, height, width], {"perm": order})
        return reshape_to(turned, [*leading, twice(height), width], node)

    def _unstack(self, node: ir.Node, stack: ir.Value) -> ir.Value:
        """Complex numbers [.., h, w, 2] of their stack."""
        *leading, height, width = dimensions(stack)
        rank = len(leading)
        height = halved(height)
        apart = reshape_to(stack, [*leading, 2, height, width], node)
        order = [*range(rank), rank + 1, rank + 2, rank]
        return self._insert(node, "Transpose", [apart], [*leading, height, width, 2], {"perm": order})

    def _insert(
        self, node: ir.Node, op: str, operands: Sequence[ir.Value | None], shape: Sequence[Dimension],
        attributes: dict[str, Any] | None = None,
    ) -> ir.Value:  # fmt: skip
        """Insert a node before `node`; of whole numbers if its operand is such or a shape."""
        whole = op == "Shape" or (operands[0] is not None and operands[0].dtype == ir.DataType.INT64)
        dtype = ir.DataType.INT64 if whole else ir.DataType.FLOAT
        value = insert_before(node, op, list(operands), attributes, dtype=dtype)
        value.shape = ir.Shape(shape)
        return value

    def _axes(self, *numbers: int) -> ir.Value:
        return add_constant(self.graph, "axes", np.array(numbers, np.int64))

    def _whole(self, number: int) -> ir.Value:
        return add_constant(self.graph, "whole", np.array(number, np.int64))


def _place_of(node: ir.Node) -> _Place | str:
    """What a DFT does, or why it cannot become a product."""
    data = node.inputs[0]
    axis = axis_of(node)
    if data is None or data.shape is None or axis is None:
        return "its axis or the shape of its operand is not known"
    rank = len(data.shape) - 1
    parts = data.shape[rank]
    if rank < 2 or axis not in (rank - 2, rank - 1):
        return f"it goes along axis {axis} of {rank}; only along the last two it is a product without a copy"
    if parts not in (1, 2):
        return "its operand is neither real nor complex"
    inverse, onesided = (name in node.attributes and bool(node.attributes[name].as_int()) for name in FLAGS)
    kind: Kind = "complex to complex" if parts == 2 else "real to complex"
    if parts == 2 and onesided:
        if not inverse:
            return "it makes half a spectrum of complex numbers"
        kind = "complex to real"
    if parts == 1 and inverse:
        return "it transforms real numbers back"
    return _Place(kind, axis, axis == rank - 2, inverse, onesided)

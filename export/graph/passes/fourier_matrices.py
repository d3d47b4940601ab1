"""Matrices of discrete Fourier transforms, for sizes that are known at export or only when the network runs.

For a transform of length n over k bins, with `theta[j, f] = 2 pi (j f mod n) / n` and the sign -1 forward, +1 inverse::

    c[j, f] = g n^e cos theta[j, f]        s[j, f] = sign g n^e sin theta[j, f]

A complex row is written as its real numbers followed by its imaginary ones. Then, with rows times a matrix::

    real to complex      x          @  [c | s]
    complex to complex   [re | im]  @  [c, s; -s, c]
    complex to real      [re | im]  @  [w c^T; -w s^T]       w = 1 for bin 0 and (even n) bin n/2, else 2

Columns are transformed by the transposed matrices from the left. `j f mod n` is computed with integers: an angle of
many turns would lose its digits. For sizes known at export all is computed in FP64; for others in the graph, in FP32,
from angles of at most half a turn.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from ..ir_tools import Array, add_constant, insert_before

Kind = Literal["real to complex", "complex to complex", "complex to real"]


@dataclass(frozen=True)
class Size:
    """The size of an axis: a number, or a value of the graph (int64 without axes) and the name of what it is."""

    number: int | None
    value: ir.Value | None = None
    name: str = ""

    @property
    def key(self) -> str:
        """Equal for sizes that are equal for sure."""
        return self.name if self.number is None else str(self.number)


@dataclass(frozen=True)
class Transform:
    """One transform along one axis.

    Args:
        kind: what it makes of what.
        length: n.
        bins: k; n, or n // 2 + 1 where one half of the spectrum says the other.
        inverse: the sign of the angle.
        exponent: e.
        gain: g.
        columns: whether it goes along the last axis but one, so that the matrix stands on the left.
    """

    kind: Kind
    length: Size
    bins: Size
    inverse: bool
    exponent: float
    gain: float
    columns: bool


class Matrices:
    """The matrices of one graph; layers with transforms of one size share them."""

    def __init__(self, graph: ir.Graph):
        self.graph = graph
        self.made: dict[object, ir.Value] = {}

    def get(self, transform: Transform, anchor: ir.Node) -> ir.Value:
        """The matrix of a transform, which nodes from `anchor` on can use."""
        key = (
            transform.kind, transform.length.key, transform.bins.key, transform.inverse, transform.exponent,
            transform.gain, transform.columns,
        )  # fmt: skip
        if key not in self.made:
            static = transform.length.number is not None and transform.bins.number is not None
            self.made[key] = self._constant(transform) if static else self._computed(transform, anchor)
        return self.made[key]

    def _constant(self, transform: Transform) -> ir.Value:
        matrix = fourier_matrix(transform).astype(np.float32)
        name = f"fourier_{transform.length.number}_{'inverse' if transform.inverse else 'forward'}"
        return add_constant(self.graph, name, matrix)

    def _computed(self, transform: Transform, anchor: ir.Node) -> ir.Value:
        return _InGraph(self.graph, anchor).matrix(transform)


def fourier_matrix(transform: Transform) -> Array:
    """The matrix in FP64, for sizes that are known."""
    length, bins = transform.length.number, transform.bins.number
    assert length is not None
    assert bins is not None
    angles = 2 * np.pi / length * (np.arange(length)[:, None] * np.arange(bins) % length)
    factor = transform.gain * float(length) ** transform.exponent
    cosine, sine = factor * np.cos(angles), factor * np.sin(angles) * (1 if transform.inverse else -1)
    if transform.kind == "real to complex":
        matrix = np.hstack([cosine, sine])
    elif transform.kind == "complex to complex":
        matrix = np.block([[cosine, sine], [-sine, cosine]])
    else:
        weights = np.where(2 * np.arange(bins) % length == 0, 1, 2)
        matrix = np.hstack([cosine * weights, -sine * weights]).T
    return matrix.T if transform.columns else matrix


class _InGraph:
    """Writes the computation of a matrix before a node."""

    def __init__(self, graph: ir.Graph, anchor: ir.Node):
        self.graph = graph
        self.anchor = anchor

    def matrix(self, transform: Transform) -> ir.Value:
        cosine, sine = self._cosine_and_sine(transform)
        if transform.kind == "real to complex":
            matrix = self._join(cosine, sine, 1)
        elif transform.kind == "complex to complex":
            matrix = self._join(self._join(cosine, sine, 1), self._join(self._float("Neg", sine), cosine, 1), 0)
        else:
            weights = self._weights(transform)
            real, imaginary = (self._float("Mul", value, weights) for value in (cosine, self._float("Neg", sine)))
            matrix = self._turn(self._join(real, imaginary, 1))
        return self._turn(matrix) if transform.columns else matrix

    def _cosine_and_sine(self, transform: Transform) -> tuple[ir.Value, ir.Value]:
        length, bins = self._integer(transform.length), self._integer(transform.bins)
        places, frequencies = self._count(length, 1), self._count(bins, 0)
        half = self._whole("Div", length, self._number(2))
        # Counted from half a turn below, so that no angle is larger than that.
        turned = self._whole("Add", self._whole("Mul", places, frequencies), half)
        steps = self._whole("Sub", self._whole("Mod", turned, length), half)
        size = insert_before(self.anchor, "Cast", [length], {"to": ir.DataType.FLOAT}, dtype=ir.DataType.FLOAT)
        step = self._float("Div", self._real(2 * np.pi), size)
        steps = insert_before(self.anchor, "Cast", [steps], {"to": ir.DataType.FLOAT}, dtype=ir.DataType.FLOAT)
        angles = self._float("Mul", steps, step)
        factor = self._real(transform.gain)
        if transform.exponent:
            factor = self._float("Mul", factor, self._float("Pow", size, self._real(transform.exponent)))
        sine = self._float("Mul", self._float("Sin", angles), factor)
        return self._float("Mul", self._float("Cos", angles), factor), (
            sine if transform.inverse else self._float("Neg", sine)
        )

    def _weights(self, transform: Transform) -> ir.Value:
        frequencies = self._count(self._integer(transform.bins), 0)
        place = self._whole("Mod", self._whole("Mul", frequencies, self._number(2)), self._integer(transform.length))
        single = insert_before(self.anchor, "Equal", [place, self._number(0)], dtype=ir.DataType.BOOL)
        return self._float("Where", single, self._real(1), self._real(2))

    def _count(self, size: ir.Value, axis: int) -> ir.Value:
        """0, 1, ... below `size`, as a row or a column."""
        numbers = self._whole("Range", self._number(0), size, self._number(1))
        return self._whole("Unsqueeze", numbers, add_constant(self.graph, "axis", np.array([axis], np.int64)))

    def _integer(self, size: Size) -> ir.Value:
        if size.number is not None:
            return self._number(size.number)
        assert size.value is not None
        return size.value

    def _join(self, first: ir.Value, second: ir.Value, axis: int) -> ir.Value:
        return insert_before(self.anchor, "Concat", [first, second], {"axis": axis}, dtype=ir.DataType.FLOAT)

    def _turn(self, matrix: ir.Value) -> ir.Value:
        return insert_before(self.anchor, "Transpose", [matrix], {"perm": [1, 0]}, dtype=ir.DataType.FLOAT)

    def _number(self, number: int) -> ir.Value:
        return add_constant(self.graph, "whole", np.array(number, np.int64))

    def _real(self, number: float) -> ir.Value:
        return add_constant(self.graph, "number", np.array(number, np.float32))

    def _whole(self, op: str, *operands: ir.Value) -> ir.Value:
        return insert_before(self.anchor, op, list(operands), dtype=ir.DataType.INT64)

    def _float(self, op: str, *operands: ir.Value) -> ir.Value:
        return insert_before(self.anchor, op, list(operands), dtype=ir.DataType.FLOAT)

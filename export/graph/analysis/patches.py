"""Which patches of which feature map a value holds, whatever way they were cut out.

`unfold`, `im2col`, strided views, loops over slices: all only move numbers. So the moves between a feature map and a
value are run once on the numbers of its places instead of on features; what comes out says where every number of the
value is from, and is compared with what k x k patches would give::

    value[l, c, y, x]  =  map[n, c, s (l // columns) + y - m, s (l % columns) + x - m],  zero outside

for a stride s and a margin m. That proves it for every content of the map.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from ..ir_tools import constant
from ..operators import CUTS

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Patches:
    """k x k patches of a feature map.

    Args:
        source: the map [N,C,h,w].
        image: of which image of the map.
        stride: between neighbouring patches.
        margin: zeros around the map.
        rows, columns: how many patches below and beside each other.
    """

    source: ir.Value
    image: int
    stride: int
    margin: int
    rows: int
    columns: int


def patches_in(value: ir.Value | None, shape: tuple[int, ...] | None) -> Patches | None:
    """What patches a value holds, read as [L,C,k,k]; None if it holds none, or its sizes are free.

    Args:
        value: of as many numbers.
        shape: L patches of C channels and k x k places.
    """
    if value is None or shape is None or len(shape) != 4 or shape[2] != shape[3] or shape[2] < 2:
        return None
    moves: list[ir.Value] = []
    for source in _before(value, moves):
        map_shape = sizes(source)
        if map_shape is not None and len(map_shape) == 4 and map_shape[1] == shape[1]:
            possible = list(_possible(source, map_shape, shape))
            if possible:
                found = _run(moves, source, map_shape)
                found = found.reshape(shape)
                for patches in possible:
                    if np.array_equal(found, _expected(patches, found, map_shape, shape[2])):
                        return replace(patches, image=_image(found, map_shape))
    return None


def sizes(value: ir.Value | None) -> tuple[int, ...] | None:
    """The shape of a value if all of its sizes are numbers."""
    if value is None or value.shape is None or not all(isinstance(size, int) for size in value.shape):
        return None
    return tuple(int(size) for size in value.shape)  # type: ignore[arg-type]


def _before(value: ir.Value, moves: list[ir.Value]) -> Iterator[ir.Value]:
    """Values that `value` is moved from, the nearest first; `moves` then has what lies between, the last first."""
    while True:
        node = value.producer()
        operands = [operand for operand in node.inputs if operand is not None] if node is not None else []
        if node is None or node.op_type not in CUTS or any(constant(operand) is None for operand in operands[1:]):
            return
        moves.append(value)
        value = operands[0]
        yield value


def _possible(source: ir.Value, map_shape: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[Patches]:
    """Strides and margins with as many patches as there are."""
    side = shape[2]
    for stride in range(1, side + 1):
        for margin in range(side):
            rows, columns = ((size + 2 * margin - side) // stride + 1 for size in map_shape[2:])
            if min(rows, columns) > 0 and rows * columns == shape[0]:
                yield Patches(source, 0, stride, margin, rows, columns)


def _run(moves: list[ir.Value], source: ir.Value, shape: tuple[int, ...]) -> Places:
    """The moves, of the places of a map, each counted from 1 on; what is padded is 0."""
    places = np.arange(1, np.prod(shape) + 1, dtype=np.float64).reshape(shape)
    name = str(source.name)
    for value in reversed(moves):
        node = value.producer()
        assert node is not None
        feed = {str(operand.name): constant(operand) for operand in node.inputs[1:] if operand is not None}
        results = ReferenceEvaluator(ir.to_proto(node)).run(None, {**feed, name: places})
        name, places = str(value.name), results[list(node.outputs).index(value)]
    return places


def _expected(patches: Patches, found: Places, shape: tuple[int, ...], side: int) -> Places:
    """What `_run` gives for such patches of the image that is found."""
    _, channels, height, width = shape
    image = _image(found, shape)
    places = np.arange(1, channels * height * width + 1, dtype=np.float64).reshape(channels, height, width)
    margin, step = patches.margin, patches.stride
    padded = np.pad(places + image * places.size, ((0, 0), (margin, margin), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::step, ::step]
    result: Places = windows.transpose(1, 2, 0, 3, 4).reshape(-1, channels, side, side)
    return result


def _image(found: Places, shape: tuple[int, ...]) -> int:
    return int(found.max() - 1) // int(np.prod(shape[1:]))

"""Which squares of an image have holes, and which of them belong together: what windows are planned from.

Planning looks at squares of a few pixels, cells, because an image may have 100 million pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right`, without the last ones."""

    top: int
    bottom: int
    left: int
    right: int

    def joined(self, other: "Box") -> "Box":
        """The smallest box around both."""
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


@dataclass(frozen=True)
class Part:
    """Cells whose holes are filled together.

    Args:
        cells: their numbers, row after row.
        box: around their hole pixels.
    """

    cells: NDArray[np.intp]
    box: Box


class Cells:
    """An image cut into squares of `size` pixels, from the upper left; the last ones may be narrower.

    Attributes:
        size: side of a cell in pixels.
        holes: [rows,columns], whether a cell has a hole pixel.
        full: [rows,columns], whether all its pixels are holes.
    """

    def __init__(self, hole: NDArray[np.bool_], size: int):
        """`hole` [H,W], True = hole; it is read only here."""
        self.size = size
        rows, columns = (-(-length // size) for length in hole.shape)
        padding = ((0, rows * size - hole.shape[0]), (0, columns * size - hole.shape[1]))
        squares = (np.pad(hole, padding) if any(after for _, after in padding) else hole).reshape(
            rows, size, columns, size
        )
        in_row: Grid = np.logical_or.reduce(squares, axis=3).transpose(0, 2, 1)
        in_column: Grid = np.logical_or.reduce(squares, axis=1)
        self.holes: Grid = np.logical_or.reduce(in_row, axis=2)
        heights, widths = (
            np.minimum(size, length - size * np.arange(count))
            for length, count in zip(hole.shape, (rows, columns), strict=True)
        )
        self.full: Grid = np.zeros_like(self.holes)
        self.full[self.holes] = (
            squares.transpose(0, 2, 1, 3)[self.holes].sum(axis=(1, 2)) == (heights[:, None] * widths)[self.holes]
        )
        self._first = in_row.argmax(axis=2), in_column.argmax(axis=2)
        self._last = size - in_row[..., ::-1].argmax(axis=2), size - in_column[..., ::-1].argmax(axis=2)

    def part(self, cells: NDArray[np.intp]) -> Part:
        """The part of these cells, each of which has a hole."""
        row, column = np.divmod(cells, self.holes.shape[1])
        return Part(
            cells,
            Box(
                int((row * self.size + self._first[0].flat[cells]).min()),
                int((row * self.size + self._last[0].flat[cells]).max()),
                int((column * self.size + self._first[1].flat[cells]).min()),
                int((column * self.size + self._last[1].flat[cells]).max()),
            ),
        )

    def parts(self, chosen: Grid) -> list[Part]:
        """Cells of `chosen` that touch each other, also at a corner, in the order of their first cells."""
        rows, columns = chosen.shape
        framed = np.zeros((rows + 2, columns + 2), dtype=np.bool_)
        framed[1:-1, 1:-1] = chosen
        left, width = bytearray(framed.tobytes()), columns + 2
        around = (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1)
        found = []
        for start in np.flatnonzero(framed).tolist():
            if not left[start]:
                continue
            left[start] = 0
            reached = [start]
            for place in reached:  # grows while it is read
                for step in around:
                    if left[place + step]:
                        left[place + step] = 0
                        reached.append(place + step)
            row, column = np.divmod(np.sort(np.array(reached, dtype=np.intp)), width)
            found.append(self.part((row - 1) * columns + column - 1))
        return found


def grown(chosen: Grid, within: Grid, steps: int) -> Grid:
    """`chosen` and the cells of `within` that are reached from it over `steps` neighbours."""
    for _ in range(steps):
        framed = np.pad(chosen, 1)
        across = framed[:, :-2] | framed[:, 1:-1] | framed[:, 2:]
        chosen = (across[:-2] | across[1:-1] | across[2:]) & within
    return chosen


def opened(chosen: Grid, side: int) -> Grid:
    """The cells that lie in a square of `side` x `side` cells of `chosen`."""
    found = np.zeros_like(chosen)
    rows, columns = chosen.shape[0] - side + 1, chosen.shape[1] - side + 1
    if rows < 1 or columns < 1:
        return found
    steps = range(side)
    in_row = np.logical_and.reduce([chosen[:, step : step + columns] for step in steps])
    squares = np.logical_and.reduce([in_row[step : step + rows] for step in steps])
    for down in steps:
        for across in steps:
            found[down : down + rows, across : across + columns] |= squares
    return found


def thickness(chosen: Grid) -> int:
    """The side of the largest square of cells of `chosen`."""
    side = 0
    while chosen.any():
        side += 1
        across = chosen[:, 1:] & chosen[:, :-1]
        chosen = across[1:] & across[:-1]
    return side

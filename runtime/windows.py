"""Windows around holes: what of an image the network is given, so that cost grows with the holes and not the image.

Holes that lie together share a window, with at least some context on every side. A thing too long for a window, such
as a scratch, is filled by several that follow each other; a hole too wide for one is filled at a smaller scale, in one
piece. Each hole pixel belongs to one window. What far-off holes are like has no influence on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bundle import DeployedInterface
from .cells import Box, Cells, Grid, Part, grown, opened, thickness
from .window_sizes import Choice, Sizes

CELL = 16
"""Side of a cell in pixels; less where the network's largest size is small."""


@dataclass(frozen=True)
class Window:
    """What the network is given at once.

    Args:
        number: of the cells it fills, in `Plan.owner`.
        area: rows and columns of the image at 1/`scale` of its size.
        core: rows and columns of the image around the hole pixels that it fills.
        scale: 1, or more for a wide hole.
    """

    number: int
    area: tuple[slice, slice]
    core: tuple[slice, slice]
    scale: int


@dataclass(frozen=True)
class Plan:
    """How the holes of one image are filled.

    Args:
        rounds: windows that do not need each other; the next round takes what this one filled for known.
        owner: [rows,columns] of cells, the number of the window that fills its holes, or -1.
        cell: side of a cell in pixels.
        is_whole: whether the network is given the image as it is, and all holes are filled at once.
    """

    rounds: tuple[tuple[Window, ...], ...]
    owner: NDArray[np.int32]
    cell: int
    is_whole: bool = False

    def filled_by(self, window: Window, hole: Grid) -> Grid:
        """Which pixels of the window's core it fills, [h,w]; `hole` is that of the image."""
        rows, columns = (np.arange(part.start, part.stop) // self.cell for part in window.core)
        filled: Grid = (self.owner[rows[:, None], columns] == window.number) & hole[window.core]
        return filled

    def rectangles(self, window: Window) -> list[tuple[slice, slice]]:
        """Rows and columns of the image that together are the window's own part of its core."""
        rows, columns = window.core
        found: list[tuple[slice, slice]] = []
        top = rows.start
        while top < rows.stop:
            row = top // self.cell
            bottom = min((row + 1) * self.cell, rows.stop)
            own = self.owner[row, columns.start // self.cell : (columns.stop - 1) // self.cell + 1] == window.number
            edges = np.flatnonzero(np.diff(own, prepend=False, append=False)) + columns.start // self.cell
            for first, last in edges.reshape(-1, 2).tolist():
                across = slice(max(first * self.cell, columns.start), min(last * self.cell, columns.stop))
                found.append((slice(top, bottom), across))
            top = bottom
        return found


def plan_windows(hole: Grid, interface: DeployedInterface, choice: Choice = "auto") -> Plan:
    """How an image with these holes is filled.

    Args:
        hole: bool [H,W], True = hole.
        interface: what the network takes.
        choice: as of `Inpainter`.

    Raises:
        ImageError: as `Sizes.of`.
    """
    sizes = Sizes.of((hole.shape[0], hole.shape[1]), interface, choice)
    everything = slice(0, hole.shape[0]), slice(0, hole.shape[1])
    cost = sizes.cost(everything)
    fits = sizes.fit(Box(0, hole.shape[0], 0, hole.shape[1]))
    if not fits or (choice == "auto" and cost > sizes.rows.smallest * sizes.columns.smallest):
        planner = _Planner(hole, sizes)
        planner.plan()
        if not fits or sum(sizes.cost(window.area) for window in planner.windows) < cost:
            return planner.result()
    whole = Window(0, everything, everything, 1)
    return Plan(((whole,),), np.zeros((1, 1), dtype=np.int32), max(hole.shape), is_whole=True)


class _Planner:
    """Makes one plan."""

    def __init__(self, hole: Grid, sizes: Sizes):
        self._sizes = sizes
        axes = sizes.rows, sizes.columns
        self._cells = Cells(hole, max(1, min(CELL, min(axis.largest for axis in axes) // 8)))
        self._context = min(axis.context for axis in axes)
        self._owner = np.full(self._cells.holes.shape, -1, dtype=np.int32)
        self._rounds: dict[int, list[Window]] = {}
        self._count = 0

    @property
    def windows(self) -> Iterable[Window]:
        """Those planned so far."""
        return (window for part in self._rounds.values() for window in part)

    def result(self) -> Plan:
        """The plan."""
        rounds = tuple(tuple(self._rounds[number]) for number in sorted(self._rounds))
        return Plan(rounds, self._owner, self._cells.size)

    def plan(self) -> None:
        """Windows for all holes: around groups that fit; at a smaller scale where they are wide; along the others."""
        cells = self._cells
        long = self._plan_groups(cells.parts(cells.holes), 0)
        side = max(2, self._context // cells.size)
        wide = grown(opened(cells.full & long, side), long, side // 2)
        for part in cells.parts(wide):
            self._plan_wide(part)
        for part in cells.parts(self._plan_groups(cells.parts(long & ~wide), 4)):
            self._plan_along(part, 1, 4)

    def _plan_groups(self, parts: Sequence[Part], number: int) -> Grid:
        """Windows for the parts that fit into one; the cells of those that do not."""
        left = np.zeros_like(self._cells.holes)
        fitting = []
        for part in parts:
            if self._sizes.fit(part.box):
                fitting.append(part)
            else:
                left.flat[part.cells] = True
        if fitting:
            side = 1 << max(self._sizes.rows.length, self._sizes.columns.length).bit_length()
            for group in self._grouped(fitting, 0, 0, side)[1]:
                self._add(number, group, 1)
        return left

    def _grouped(self, parts: Sequence[Part], top: int, left: int, side: int) -> tuple[int, list[Part]]:
        """The cheaper of one window for all parts whose middles are in a square, and the best for its quarters.

        Returns:
            Cost and groups.
        """
        box = parts[0].box
        for part in parts[1:]:
            box = box.joined(part.box)
        together = self._sizes.cost(self._sizes.area(box)) if self._sizes.fit(box) else None
        if len(parts) == 1 and together is not None:
            return together, list(parts)
        half = side // 2
        quarters: dict[tuple[bool, bool], list[Part]] = {}
        for part in parts:
            middle = (part.box.top + part.box.bottom) // 2, (part.box.left + part.box.right) // 2
            place = middle[0] >= top + half, middle[1] >= left + half
            quarters.setdefault(place, []).append(part)
        if half:
            found = [
                self._grouped(quarters[down, right], top + half * down, left + half * right, half)
                for down, right in sorted(quarters)
            ]
        else:  # all have the same middle
            found = [(self._sizes.cost(self._sizes.area(part.box)), [part]) for part in parts]
        apart = sum(cost for cost, _ in found)
        if together is not None and together <= apart:
            return together, [Part(np.concatenate([part.cells for part in parts]), box)]
        return apart, [group for _, groups in found for group in groups]

    def _plan_wide(self, part: Part) -> None:
        """One window at the scale where it holds all; several at one where the hole is no wider than the context."""
        inside = np.zeros_like(self._cells.full)
        inside.flat[part.cells] = self._cells.full.flat[part.cells]
        narrow = -(-thickness(inside) * self._cells.size // max(self._context, 1))
        scale = 1
        while scale < narrow and not self._sizes.fit(part.box, scale):
            scale += 1
        if self._sizes.fit(part.box, scale):
            self._add(0, part, scale)
        else:
            self._plan_along(part, scale, 0)

    def _plan_along(self, part: Part, scale: int, number: int) -> None:
        """Windows beside each other in four rounds, so that neighbours are in different ones."""
        row, column = np.divmod(part.cells, self._cells.holes.shape[1])
        down, across = (
            (place - place.min()) // max(1, scale * (axis.largest - 2 * axis.context) // self._cells.size)
            for place, axis in ((row, self._sizes.rows), (column, self._sizes.columns))
        )
        for y, x in sorted(set(zip(down.tolist(), across.tolist(), strict=True))):
            chosen = part.cells[(down == y) & (across == x)]
            self._add(number + 2 * (y % 2) + x % 2, self._cells.part(chosen), scale)

    def _add(self, number: int, part: Part, scale: int) -> None:
        box = part.box
        core = slice(box.top, box.bottom), slice(box.left, box.right)
        self._rounds.setdefault(number, []).append(Window(self._count, self._sizes.area(box, scale), core, scale))
        self._owner.flat[part.cells] = self._count
        self._count += 1

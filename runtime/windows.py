"""Windows around holes: how an image larger than the network's largest size is filled.

Cost grows with the hole and not with the image. Each window fills the holes in its core, at most half its height and
width, so that there is context around them; windows follow each other from top to bottom, and later ones take what
earlier ones filled for known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A part of an image, `area`, in which the holes of `core` are to be filled. Both index [H,W] arrays."""

    area: tuple[slice, slice]
    core: tuple[slice, slice]


def windows_around_holes(hole: NDArray[np.bool_], height: int, width: int) -> Iterator[Window]:
    """Windows of at most `height` x `width` pixels whose cores cover all of `hole` [H,W], each hole pixel once."""
    remaining = hole.copy()
    holes_in_row = remaining.sum(axis=1)
    top = 0
    while (rows_left := np.flatnonzero(holes_in_row[top:])).size:
        top += int(rows_left[0])
        band = remaining[top : top + max(height // 2, 1)]
        left = int(np.argmax(band.any(axis=0)))
        block = band[:, left : left + max(width // 2, 1)]
        rows, columns = np.flatnonzero(block.any(axis=1)), np.flatnonzero(block.any(axis=0))
        core = (
            slice(top + int(rows[0]), top + int(rows[-1]) + 1),
            slice(left + int(columns[0]), left + int(columns[-1]) + 1),
        )
        area = (_centred(core[0], height, hole.shape[0]), _centred(core[1], width, hole.shape[1]))
        yield Window(area, core)
        holes_in_row[core[0]] -= remaining[core].sum(axis=1)
        remaining[core] = False


def _centred(core: slice, size: int, limit: int) -> slice:
    """The interval of `size` around the middle of `core`, moved inside 0..`limit`."""
    start = (core.start + core.stop - size) // 2
    start = max(0, min(start, limit - size))
    return slice(start, min(start + size, limit))

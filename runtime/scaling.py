"""Wide holes at a smaller scale: the image reduced around them, and what was filled there carried up again.

In integers, so that every runtime gives the same bytes. A pixel of the reduced image is the mean of the known pixels of
its square, and a hole only where there are none. So the rim of the hole is known at the small scale too, and carrying
up goes from known values to filled ones without a step.
"""

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
Grid = NDArray[np.bool_]
Area = tuple[slice, slice]

BAND = 256
"""Rows that are carried up at once, which bounds the memory."""


def reduced(image: UInt8Array, hole: Grid, area: Area, scale: int) -> tuple[UInt8Array, Grid]:
    """A part of an image at 1/`scale` of its size.

    Args:
        image: uint8 [H,W,3].
        hole: bool [H,W], True = hole.
        area: rows and columns of the reduced image, of which pixel ``i`` stands for ``scale*i .. scale*(i+1) - 1``.
        scale: 2 or more.

    Returns:
        Means [h,w,3] of the known pixels of each square, rounded, 0 where there are none; and where that is, [h,w].
    """
    rows, columns = area
    right = min(scale * columns.stop, hole.shape[1])
    across = slice(scale * columns.start, right)
    edges = np.arange(0, right - across.start, scale)
    means = np.zeros((rows.stop - rows.start, len(edges), 3), dtype=np.uint8)
    holes = np.zeros(means.shape[:2], dtype=np.bool_)
    for row in range(rows.start, rows.stop):
        known = ~hole[scale * row : scale * (row + 1), across]
        total = np.where(known[..., None], image[scale * row : scale * (row + 1), across], 0).sum(
            axis=0, dtype=np.int64
        )
        count = np.add.reduceat(known.sum(axis=0, dtype=np.int64), edges)
        sums = np.add.reduceat(total, edges)
        means[row - rows.start] = (sums + (count // 2)[:, None]) // np.maximum(count, 1)[:, None]
        holes[row - rows.start] = count == 0
    return means, holes


def reduced_lines(line: Grid, area: Area, scale: int) -> Grid:
    """As `reduced`, for lines of a sketch [H,W]: where a square has one."""
    rows, columns = (slice(scale * part.start, scale * part.stop) for part in area)
    part = line[rows, columns]
    down, across = (np.arange(0, length, scale) for length in part.shape)
    found: Grid = np.logical_or.reduceat(np.logical_or.reduceat(part, down, axis=0), across, axis=1)
    return found


def carried_up(small: UInt8Array, area: Area, core: Area, scale: int) -> UInt8Array:
    """A part of the image at its own size again, bilinear between the centres of the reduced pixels.

    Pixel ``p`` lies at ``(2p + 1 - scale) / (2 scale)`` of the reduced image; its border is repeated.

    Args:
        small: uint8 [h,w,3], the `area` of the reduced image.
        area: as of `reduced`.
        core: rows and columns of the image.
        scale: 2 or more.

    Returns:
        uint8 of the core's size, rounded half up.
    """
    unit = 2 * scale
    columns, next_columns, across = _places(core[1], area[1], scale)
    result = np.empty((core[0].stop - core[0].start, len(columns), 3), dtype=np.uint8)
    for top in range(core[0].start, core[0].stop, BAND):
        band = slice(top, min(top + BAND, core[0].stop))
        rows, next_rows, down = _places(band, area[0], scale)
        weight = down[:, None, None]
        values = small[rows].astype(np.int64) * (unit - weight) + small[next_rows].astype(np.int64) * weight
        weight = across[None, :, None]
        values = values[:, columns] * (unit - weight) + values[:, next_columns] * weight
        result[top - core[0].start : band.stop - core[0].start] = (values + unit * unit // 2) // (unit * unit)
    return result


def _places(pixels: slice, area: slice, scale: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each pixel the reduced ones before and after it, counted in `area`, and the weight of the one after it."""
    place = 2 * np.arange(pixels.start, pixels.stop, dtype=np.int64) + 1 - scale
    before, weight = np.divmod(place, 2 * scale)
    last = area.stop - area.start - 1
    return np.clip(before - area.start, 0, last), np.clip(before + 1 - area.start, 0, last), weight

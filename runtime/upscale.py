"""Super-resolution as inpainting: pixels of a small image far apart on a large grid, and holes between them.

Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018), section 5.

Where pixels lie is what ordinary resizing says: pixel ``i`` of the small image has its centre at ``K*i + (K-1)/2`` of
the large one, ``K`` the factor. On the grid it lies at ``K*i + K//2``. For odd factors that is the centre. For even
ones it is half a large pixel too far right and down, so `to_pixel_centres` reads the filled grid half a pixel further.
"""

import numpy as np
from numpy.typing import NDArray

TAPS = (-1, 9, 9, -1)
"""16 times the cubic through four pixels, in the middle between the second and the third."""

BAND = 256
"""Rows that are resampled at once, which bounds the memory."""


def lattice_mask(height: int, width: int, factor: int) -> NDArray[np.bool_]:
    """All holes but one pixel of each square of `factor` x `factor`, at `factor` // 2: [height,width], True = hole."""
    hole = np.ones((height, width), dtype=np.bool_)
    hole[factor // 2 :: factor, factor // 2 :: factor] = False
    return hole


def place_on_grid(image: NDArray[np.uint8], factor: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Every pixel at `factor` // 2 of a square of `factor` x `factor`, all else a hole.

    Args:
        image: [H,W,3], or a batch [N,H,W,3].
        factor: 2 or more.

    Returns:
        The grid [..,factor*H,factor*W,3], black in the holes, and the holes [..,factor*H,factor*W], True = hole.
    """
    *count, height, width, channels = image.shape
    large = np.zeros((*count, factor * height, factor * width, channels), dtype=np.uint8)
    hole = lattice_mask(factor * height, factor * width, factor)
    large[..., ~hole, :] = image.reshape(*count, height * width, channels)
    return large, np.array(np.broadcast_to(hole, large.shape[:-1]))


def to_pixel_centres(filled: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The filled grid as an image whose pixel centres are those of ordinary resizing.

    For odd factors that is the grid itself. For even ones the grid is read at ``p + 1/2`` along both axes, with cubic
    taps at ``p-1, p, p+1, p+2`` and the border repeated, in integers, so that every runtime gives the same bytes::

        out = clamp((sum over a, b of TAPS[a] * TAPS[b] * filled[y-1+a, x-1+b] + 128) >> 8, 0, 255)

    Args:
        filled: the filled grid [H,W,3] or [N,H,W,3] of `place_on_grid`; not changed.
        factor: what it was made with.

    Returns:
        An array of the same shape; `filled` itself for odd factors.
    """
    if factor % 2:
        return filled
    height = filled.shape[-3]
    centred = np.empty_like(filled)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        rows = filled[..., np.clip(np.arange(top - 1, bottom + 2), 0, height - 1), :, :].astype(np.int32)
        columns = np.pad(rows, (*[(0, 0)] * (rows.ndim - 2), (1, 2), (0, 0)), mode="edge")
        across = _between(columns, -2)
        total = _between(across, -3)
        centred[..., top:bottom, :, :] = np.clip((total + 128) >> 8, 0, 255)
    return centred


def _between(values: NDArray[np.int32], axis: int) -> NDArray[np.int32]:
    """`TAPS` along an axis, which becomes three shorter."""
    size = values.shape[axis] - 3
    total = np.zeros(1, dtype=np.int32)
    for place, tap in enumerate(TAPS):
        total = total + tap * np.take(values, np.arange(place, place + size), axis)
    return total

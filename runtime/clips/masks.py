"""The masks of a clip: one image for all frames, a folder with an image for each, or a clip."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..images import LOSSY_MASK_THRESHOLD, list_images, read_mask
from .planes import to_rgb
from .source import colours_of, frames_of, is_clip, open_clip

Hole = NDArray[np.bool_]


def masks_of(path: Path) -> Iterator[Hole]:
    """Holes [H,W] of one frame after the other; without end for one image.

    Of a mask that is a clip, values of at least 128 are holes: its compression leaves noise around black.

    Raises:
        ImageError: if a mask cannot be read.
    """
    if is_clip(path):
        yield from _masks_of_clip(path)
    elif path.is_dir():
        yield from map(read_mask, list_images(path))
    else:
        yield from repeat(read_mask(path))


def _masks_of_clip(path: Path) -> Iterator[Hole]:
    with open_clip(path) as container:
        for frame in frames_of(path, container, lambda packet: None):
            yield to_rgb(frame, colours_of(frame)).max(axis=-1) >= LOSSY_MASK_THRESHOLD


def next_mask(masks: Iterator[Hole], path: Path, number: int, size: tuple[int, int]) -> Hole:
    """The mask of frame `number`, of height and width `size`.

    Raises:
        ImageError: if there is none, or it has another size.
    """
    hole = next(masks, None)
    if hole is None:
        raise ImageError(
            f"{path}: has masks for {number} frames, and the clip has more; give one for each, or one image"
        )
    if hole.shape != size:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (hole.shape, size))
        raise ImageError(f"{path}: mask {number} is {have}, but the frames are {need}; make it the same size")
    return hole

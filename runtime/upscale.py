"""Super-resolution as inpainting: pixels of a small picture far apart on a large grid, and holes between them.

Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018), section 5.
"""

import numpy as np
from numpy.typing import NDArray


def lattice_mask(height: int, width: int, factor: int) -> NDArray[np.bool_]:
    """All holes but the middle pixel of each square of `factor` x `factor`: [height,width], True = hole."""
    hole = np.ones((height, width), dtype=np.bool_)
    hole[factor // 2 :: factor, factor // 2 :: factor] = False
    return hole


def place_on_grid(image: NDArray[np.uint8], factor: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Every pixel in the middle of a square of `factor` x `factor`, all else a hole.

    Args:
        image: [H,W,3], or a batch [N,H,W,3].
        factor: 2 or more.

    Returns:
        The large picture [..,factor*H,factor*W,3], black in the holes, and the holes [..,factor*H,factor*W],
        True = hole.
    """
    *count, height, width, channels = image.shape
    large = np.zeros((*count, factor * height, factor * width, channels), dtype=np.uint8)
    hole = lattice_mask(factor * height, factor * width, factor)
    large[..., ~hole, :] = image.reshape(*count, height * width, channels)
    return large, np.array(np.broadcast_to(hole, large.shape[:-1]))

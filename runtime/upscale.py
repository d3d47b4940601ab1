"""Super-resolution as inpainting: pixels of a small picture far apart on a large grid, and holes between them.

Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018), section 5.
"""

import numpy as np
from numpy.typing import NDArray


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
    hole = np.ones(large.shape[:-1], dtype=np.bool_)
    middle = slice(factor // 2, None, factor)
    large[..., middle, middle, :] = image
    hole[..., middle, middle] = False
    return large, hole

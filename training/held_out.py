"""Images that no run learns from: evaluation measures on them, and TensorBoard shows how a run fills them."""

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaintrt.validation.cases.images import fit
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def held_out_images() -> dict[str, NDArray[np.uint8]]:
    """The four photographs of scikit-image that are kept for evaluation, RGB [H,W,3]."""
    return {name: np.array(getattr(skimage.data, name)()) for name in NAMES}


def held_out_batch(size: int) -> tuple[Tensor, Tensor]:
    """The same four, always with the same holes of 20 to 30 %.

    Args:
        size: side in pixels.

    Returns:
        Images [4,3,size,size] in -1..1 and masks [4,1,size,size], 1 = known.
    """
    rng = np.random.default_rng(0)
    images = np.stack([fit(image, size, size) for image in held_out_images().values()])
    holes = np.stack([irregular_mask(size, size, HOLE_RATIO_BUCKETS[2], rng) for _ in NAMES])
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    return values, torch.from_numpy(~holes)[:, None].float()

"""Ways to fill an image: networks, and the simple methods that they have to beat.

Each takes an image [H,W,3] uint8 and its holes [H,W], True = hole, and returns the image with its holes filled.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.restoration import inpaint_biharmonic
from torch import nn

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.validation.cases.masks import BoolArray

UInt8Array = NDArray[np.uint8]
Method = Callable[[UInt8Array, BoolArray], UInt8Array]

RADIUS = 3.0
"""Pixels around a hole pixel that OpenCV's methods look at, the value of its own examples."""


def network_method(network: nn.Module, interface: Interface) -> Method:
    """The composite of a network, in PyTorch and FP32, for any size.

    What is added to fit the sizes that the network takes is hole, and cut off again, as `Inpainter` does.
    """
    composite = ImageNetwork(TensorNetwork(network, interface))

    def fill(image: UInt8Array, hole: BoolArray) -> UInt8Array:
        height, width = hole.shape
        added = [(0, -side % interface.size_multiple) for side in hole.shape]
        padded = torch.from_numpy(np.pad(image, (*added, (0, 0))))
        mask = torch.from_numpy(np.pad(hole, added, constant_values=True)).byte()
        with torch.no_grad():
            filled = composite(padded[None], mask[None])[0]
        return np.asarray(filled[:height, :width], dtype=np.uint8)

    return fill


def checkpoint_method(checkpoint: Path) -> Method:
    """The `network_method` of a checkpoint."""
    loaded = load_checkpoint(checkpoint)
    return network_method(loaded.network, loaded.interface)


def fill_with_mean(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """Holes take the mean colour of the known pixels."""
    filled = np.array(image)
    filled[hole] = image[~hole].mean(axis=0).round().astype(np.uint8)
    return filled


def fill_with_telea(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """OpenCV's fast marching method (Telea, 2004)."""
    return _opencv(image, hole, cv2.INPAINT_TELEA)


def fill_with_navier_stokes(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """OpenCV's method after Navier and Stokes (Bertalmio et al., 2001)."""
    return _opencv(image, hole, cv2.INPAINT_NS)


def fill_with_biharmonic(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """scikit-image's biharmonic equation (Damelin and Hoang, 2018); seconds for wide holes."""
    seen = np.where(hole[..., None], np.uint8(0), image)
    filled = inpaint_biharmonic(seen / 255.0, hole, channel_axis=-1)
    return np.where(hole[..., None], np.rint(filled * 255).clip(0, 255).astype(np.uint8), image)


def enlarge_bicubic(small: UInt8Array, factor: int) -> UInt8Array:
    """Pillow's bicubic interpolation, [h,w,3] to [factor*h,factor*w,3]."""
    size = (factor * small.shape[1], factor * small.shape[0])
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))


def reduce_bicubic(large: UInt8Array, factor: int) -> UInt8Array:
    """What photographs are usually reduced with, Pillow's bicubic filter: [factor*h,factor*w,3] to [h,w,3]."""
    size = (large.shape[1] // factor, large.shape[0] // factor)
    return np.asarray(Image.fromarray(large).resize(size, Image.Resampling.BICUBIC))


def _opencv(image: UInt8Array, hole: BoolArray, method: int) -> UInt8Array:
    seen = np.where(hole[..., None], np.uint8(0), image)
    return np.asarray(cv2.inpaint(seen, hole.astype(np.uint8), RADIUS, method), dtype=np.uint8)


BASELINES: dict[str, Method] = {
    "mean": fill_with_mean,
    "Telea": fill_with_telea,
    "Navier-Stokes": fill_with_navier_stokes,
    "biharmonic": fill_with_biharmonic,
}

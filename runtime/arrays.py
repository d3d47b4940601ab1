"""What arrays an `Inpainter` takes, and the size that its network runs at for them."""

import numpy as np

from .errors import ImageError


def padded_size(size: int, limits: tuple[int, int, int], multiple: int) -> int:
    """The smallest size the network takes that is not below `size`."""
    return max(limits[0], -(-size // multiple) * multiple)


def check_image(image: np.ndarray, mask: np.ndarray) -> None:
    """Refuse arrays that are no image and mask.

    Raises:
        ImageError: saying what was found and what is expected.
    """
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3:
        raise ImageError(f"image is {image.dtype} {image.shape}; expected uint8 [H,W,3] or [N,H,W,3], RGB")
    if 0 in image.shape:
        raise ImageError(f"image of shape {image.shape} is empty")
    check_plane("mask", mask, image, "hole")


def check_plane(name: str, plane: np.ndarray, image: np.ndarray, meaning: str) -> None:
    """Refuse an array that is no mask or sketch for an image.

    Raises:
        ImageError: saying what was found and what is expected.
    """
    if plane.dtype not in (np.uint8, np.bool_):
        raise ImageError(f"{name} is {plane.dtype} {plane.shape}; expected uint8 or bool, non-zero = {meaning}")
    if plane.shape != image.shape[:-1]:
        raise ImageError(f"{name} is {plane.shape}, but the image needs {image.shape[:-1]}")

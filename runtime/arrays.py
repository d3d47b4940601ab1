"""What arrays an `Inpainter` takes, and the size that its network runs at for them."""

from typing import Any

import numpy as np

from .bundle import DeployedInterface
from .errors import ImageError

NO_MASK = "no mask was given; only a bundle exported with --fixed-mask has its own"
FIXED_MASK_GIVEN = "a mask was given, but the mask of this bundle is fixed; export it without --fixed-mask"
NO_SKETCH = "this bundle's network takes no sketch; leave it out"


def is_on_gpu(array: Any) -> bool:
    """Whether an array lies on a CUDA device."""
    if isinstance(array, np.ndarray):
        return False
    if getattr(array, "__cuda_array_interface__", None) is not None:
        return True
    device = getattr(array, "__dlpack_device__", None)
    return device is not None and int(device()[0]) in (2, 13)  # CUDA, and CUDA's managed memory


def check_out(out: Any, filled: np.ndarray) -> None:
    """Refuse an array that cannot take a result.

    Raises:
        ImageError: saying what was found and what is expected.
    """
    if not isinstance(out, np.ndarray):
        raise ImageError(f"out is {type(out).__name__}, but the image is on the host; expected a NumPy array")
    if out.dtype != np.uint8 or out.shape != filled.shape:
        raise ImageError(f"out is {out.dtype} {out.shape}; expected uint8 {filled.shape}")
    if not out.flags.writeable:
        raise ImageError("out is read-only; give memory that may be written")


def padded_size(size: int, limits: tuple[int, int, int], multiple: int) -> int:
    """The smallest size the network takes that is not below `size`."""
    return max(limits[0], -(-size // multiple) * multiple)


def padded_shape(shape: tuple[int, ...], interface: DeployedInterface) -> tuple[int, int, int]:
    """The smallest number of images, height and width that the network takes for a `shape` of these three."""
    count, height, width = shape
    profile, multiple = interface.profile, interface.size_multiple
    return (
        max(count, profile.batch[0]),
        padded_size(height, profile.height, multiple),
        padded_size(width, profile.width, multiple),
    )


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

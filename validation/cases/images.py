"""Images to validate on: the user's own, or seeded ones with the spectrum of photographs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaintrt.runtime.errors import ImageError
from inpaintrt.runtime.images import list_images, read_image, read_mask


def synthetic_image(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An image with edges and detail at all scales, uint8 [H,W,3]: octaves of noise, as in photographs, and shapes."""
    total = np.zeros((height, width, 3))
    cells, amplitude = 2, 1.0
    while cells < min(height, width):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        planes = [
            np.asarray(Image.fromarray(noise[..., channel]).resize((width, height), Image.Resampling.BICUBIC))
            for channel in range(3)
        ]
        total += amplitude * np.stack(planes, axis=-1)
        cells, amplitude = cells * 2, amplitude * 0.6
    for _ in range(4):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        total[top : top + height // 4, left : left + width // 4] += rng.normal(size=3)
    low, high = np.percentile(total, (1, 99))
    image: NDArray[np.uint8] = ((total - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    return image


def fit(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of an image in the given shape, scaled as little as possible."""
    factor = max(height / rgb.shape[0], width / rgb.shape[1])
    size = (max(width, round(rgb.shape[1] * factor)), max(height, round(rgb.shape[0] * factor)))
    scaled = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.array(scaled[top : top + height, left : left + width])


def fit_mask(hole: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """As `fit`, for a mask [H,W]; no value in between appears."""
    factor = max(height / hole.shape[0], width / hole.shape[1])
    size = (max(width, round(hole.shape[1] * factor)), max(height, round(hole.shape[0] * factor)))
    scaled = np.asarray(Image.fromarray(hole).resize(size, Image.Resampling.NEAREST))
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.array(scaled[top : top + height, left : left + width], dtype=np.bool_)


@dataclass(frozen=True)
class Pair:
    """A mask of the user's, bool [H,W], and the image of the same name, uint8 [H,W,3], if there is one."""

    name: str
    hole: NDArray[np.bool_]
    image: NDArray[np.uint8] | None


def find_pairs(masks: Path | None, images: Sequence[Path]) -> list[Pair]:
    """The masks of a folder (non-zero = hole), each with the image of `images` that is called the same.

    Raises:
        ImageError: if there are none, or a mask has another size than the image of its name.
    """
    named = {path.stem: path for path in images}
    pairs = []
    for path in find_images(masks):
        hole = read_mask(path)
        image = read_image(named[path.stem]).rgb if path.stem in named else None
        if image is not None and image.shape[:2] != hole.shape:
            have, need = (f"{shape[1]}x{shape[0]}" for shape in (hole.shape, image.shape))
            raise ImageError(f"{path}: is {have}, but {named[path.stem]} is {need}; make the mask the same size")
        pairs.append(Pair(path.stem, hole, image))
    return pairs


class ImageSource:
    """Endless images of any size: the given files in turn, or synthetic ones."""

    def __init__(self, files: Sequence[Path] = (), seed: int = 0):
        self._photos = [read_image(path).rgb for path in files]
        self._seed = seed

    def images(self, height: int, width: int) -> Iterator[NDArray[np.uint8]]:
        """uint8 [H,W,3], the same ones for the same seed and size."""
        rng = np.random.default_rng([self._seed, height, width])
        while True:
            if not self._photos:
                yield synthetic_image(height, width, rng)
            for photo in self._photos:
                yield fit(photo, height, width)


def find_images(path: Path | None) -> list[Path]:
    """An image file, or the images of a folder; none for None.

    Raises:
        ImageError: if there are none at `path`.
    """
    if path is None:
        return []
    if path.is_file():
        return [path]
    found = list(list_images(path)) if path.is_dir() else []
    if not found:
        raise ImageError(f"{path}: {'holds no images' if path.is_dir() else 'no such file or folder'}")
    return found

"""Training samples: random crops of photographs with random irregular masks.

Sample `i` depends on the seed and on `i` alone, so a run is the same whatever the number of worker processes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from inpaintrt.validation.masks import HOLE_RATIO_BUCKETS, irregular_mask

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def find_photos(folders: Sequence[Path], exclude: Sequence[str] = ()) -> list[Path]:
    """Photographs below `folders`, sorted by name, without those whose file name holds a string of `exclude`.

    Raises:
        FileNotFoundError: if a folder holds none.
    """
    found: list[Path] = []
    for folder in folders:
        here = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in SUFFIXES and not any(text in path.name for text in exclude)
        ]
        if not here:
            raise FileNotFoundError(f"no photographs ({', '.join(sorted(SUFFIXES))}) below {folder}")
        found += here
    return found


def load_photo(path: Path, short_side: int) -> NDArray[np.uint8]:
    """One photograph as RGB [H,W,3], reduced so that its short side has at most `short_side` pixels."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    factor = min(1.0, short_side / min(rgb.size))
    size = (round(rgb.width * factor), round(rgb.height * factor))
    return np.array(rgb.resize(size, Image.Resampling.LANCZOS))


class MaskedCrops(Dataset[tuple[Tensor, Tensor]]):
    """`length` random crops, each with an irregular mask from a random hole-ratio bucket.

    Args:
        photos: RGB arrays [H,W,3] uint8, kept in memory.
        size: side of a crop in pixels; crops are cut from 1 to 3 times that size and reduced.
        length: number of samples.
        seed: of crops and masks.

    An item is the image [3,size,size] in -1..1 and the mask [1,size,size], 1 = known.
    """

    def __init__(self, photos: Sequence[NDArray[np.uint8]], size: int, length: int, seed: int):
        self.photos = [photo for photo in photos if min(photo.shape[:2]) >= size]
        if not self.photos:
            raise ValueError(f"no photograph is at least {size} pixels wide and high")
        self.size = size
        self.length = length
        self.seed = seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        photo = self.photos[rng.integers(len(self.photos))]
        side = int(rng.integers(self.size, min(3 * self.size, *photo.shape[:2]) + 1))
        top = int(rng.integers(photo.shape[0] - side + 1))
        left = int(rng.integers(photo.shape[1] - side + 1))
        crop = Image.fromarray(photo[top : top + side, left : left + side])
        pixels = np.asarray(crop.resize((self.size, self.size), Image.Resampling.BILINEAR, reducing_gap=2.0))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        bucket = HOLE_RATIO_BUCKETS[rng.integers(len(HOLE_RATIO_BUCKETS))]
        hole = irregular_mask(self.size, self.size, bucket, rng, border=bool(rng.random() < 0.5))
        image = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
        return image, torch.from_numpy(~hole)[None].float()

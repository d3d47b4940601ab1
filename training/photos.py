"""Training samples: random crops of photographs with random masks.

Sample `i` depends on the seed and on `i` alone, so a run is the same whatever the number of worker processes, and one
that was interrupted goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from inpaintrt.runtime.upscale import lattice_mask
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, BoolArray, free_form_mask, irregular_mask

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}

MASK_SIDE = 256
"""Masks are drawn at this size, the papers', and cut out: a smaller crop has holes as wide as a picture's."""


@dataclass(frozen=True)
class MaskMix:
    """How often a sample gets which kind of mask; the numbers are relative.

    Args:
        irregular: of a random hole-ratio bucket (Liu et al., ECCV 2018).
        free_form: brush strokes (Yu et al., ICCV 2019, algorithm 1), one to eight of them.
        lattice: all holes but every second, third or fourth pixel along both axes, for super-resolution.
        buckets: how many of the six hole-ratio buckets, from the smallest holes on.
    """

    irregular: float = 1.0
    free_form: float = 0.0
    lattice: float = 0.0
    buckets: int = len(HOLE_RATIO_BUCKETS)

    def __post_init__(self) -> None:
        shares = (self.irregular, self.free_form, self.lattice)
        if min(shares) < 0 or sum(shares) == 0 or not 1 <= self.buckets <= len(HOLE_RATIO_BUCKETS):
            raise ValueError(f"shares of masks must be positive, and 1 to {len(HOLE_RATIO_BUCKETS)} buckets: {self}")

    def draw(self, size: int, rng: np.random.Generator) -> BoolArray:
        """A mask [size,size], True = hole, with at least one hole and one known pixel."""
        shares = np.array([self.irregular, self.free_form, self.lattice])
        kind = rng.choice(3, p=shares / shares.sum())
        if kind == 2:
            return lattice_mask(size, size, int(rng.integers(2, 5)))
        side = max(size, MASK_SIDE)
        while True:
            if kind == 0:
                bucket = HOLE_RATIO_BUCKETS[rng.integers(self.buckets)]
                hole = irregular_mask(side, side, bucket, rng, border=bool(rng.random() < 0.5))
            else:
                hole = free_form_mask(side, side, rng, strokes=int(rng.integers(1, 9)))
            top, left = rng.integers(side - size + 1, size=2)
            hole = hole[top : top + size, left : left + size]
            if hole.any() and not hole.all():
                return hole


def find_photos(folders: Sequence[Path], exclude: Sequence[str] = ()) -> list[Path]:
    """Photographs, or those below folders, sorted by name, without those whose file name holds a string of `exclude`.

    Raises:
        FileNotFoundError: if a folder holds none.
    """
    found: list[Path] = []
    for folder in folders:
        inside = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        here = [
            path
            for path in inside
            if path.is_file() and path.suffix.lower() in SUFFIXES and not any(text in path.name for text in exclude)
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
    """Random crops, each with a random mask.

    Args:
        photos: RGB arrays [H,W,3] uint8, kept in memory.
        size: side of a crop in pixels; crops are cut from that size up to the photograph's, small ones as often as
            large ones (log-uniform), and reduced.
        samples: numbers of the first sample and behind the last.
        seed: of crops and masks.
        masks: which holes.

    An item is the image [3,size,size] in -1..1 and the mask [1,size,size], 1 = known.
    """

    def __init__(
        self,
        photos: Sequence[NDArray[np.uint8]],
        size: int,
        samples: tuple[int, int],
        seed: int,
        masks: MaskMix | None = None,
    ):
        self.photos = [photo for photo in photos if min(photo.shape[:2]) >= size]
        if not self.photos:
            raise ValueError(f"no photograph is at least {size} pixels wide and high")
        self.size = size
        self.samples = range(*samples)
        self.seed = seed
        self.masks = masks or MaskMix()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, self.samples[index]])
        photo = self.photos[rng.integers(len(self.photos))]
        side = round(self.size * (min(photo.shape[:2]) / self.size) ** rng.random())
        top = int(rng.integers(photo.shape[0] - side + 1))
        left = int(rng.integers(photo.shape[1] - side + 1))
        crop = Image.fromarray(photo[top : top + side, left : left + side])
        pixels = np.asarray(crop.resize((self.size, self.size), Image.Resampling.BICUBIC, reducing_gap=2.0))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        hole = self.masks.draw(self.size, rng)
        image = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
        return image, torch.from_numpy(~hole)[None].float()

"""Which holes a sample gets."""

from dataclasses import dataclass

import numpy as np

from inpaintrt.runtime.upscale import lattice_mask
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, BoolArray, free_form_mask, irregular_mask

from .limits import Checked, ConfigError, number

SIDE = 256
"""Masks are drawn at this size, the papers', and cut out: a smaller crop has holes as wide as an image's."""


@dataclass(frozen=True)
class MaskMix(Checked):
    """How often a sample gets which kind of mask; the numbers are relative.

    Args:
        irregular: of a random hole-ratio bucket (Liu et al., ECCV 2018).
        free_form: brush strokes (Yu et al., ICCV 2019, algorithm 1), one to eight of them.
        lattice: all holes but every second, third or fourth pixel along both axes, for super-resolution.
        buckets: how many of the six hole-ratio buckets, from the smallest holes on.
    """

    irregular: float = number(1.0, least=0)
    free_form: float = number(0.0, least=0)
    lattice: float = number(0.0, least=0)
    buckets: int = number(len(HOLE_RATIO_BUCKETS), least=1, most=len(HOLE_RATIO_BUCKETS))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.irregular + self.free_form + self.lattice == 0:
            raise ConfigError("irregular", self.irregular, "irregular, free_form or lattice above 0")

    def draw(self, size: int, rng: np.random.Generator) -> BoolArray:
        """A mask [size,size], True = hole, with at least one hole and one known pixel."""
        shares = np.array([self.irregular, self.free_form, self.lattice])
        kind = rng.choice(3, p=shares / shares.sum())
        if kind == 2:
            return lattice_mask(size, size, int(rng.integers(2, 5)))
        side = max(size, SIDE)
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

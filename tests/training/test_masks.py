"""The kinds of masks that samples get."""

import numpy as np

from inpaintrt.training.masks import MaskMix


def test_masks_are_of_the_kinds_asked_for() -> None:
    rng = np.random.default_rng(0)
    lattices = [MaskMix(irregular=0, lattice=1).draw(48, rng) for _ in range(20)]
    assert {round(1 / (~hole).mean()) for hole in lattices} == {4, 9, 16}
    small = [MaskMix(buckets=1).draw(256, rng).mean() for _ in range(4)]
    assert all(0.01 <= ratio < 0.1 for ratio in small)
    free_form = [MaskMix(irregular=0, free_form=1).draw(256, rng).mean() for _ in range(20)]
    assert min(free_form) < 0.1 < max(free_form)


def test_a_mask_has_holes_and_known_pixels_however_small_it_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        hole = MaskMix(free_form=1).draw(8, rng)
        assert hole.any()
        assert not hole.all()

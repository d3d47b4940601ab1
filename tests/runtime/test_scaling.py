"""Reducing around wide holes and carrying up: means of known pixels, exact integers, no step at the rim."""

import numpy as np
import pytest

from inpaintrt.runtime.scaling import carried_up, reduced, reduced_lines


@pytest.mark.parametrize("scale", [2, 3, 7])
@pytest.mark.parametrize(("height", "width"), [(42, 63), (40, 61)])
def test_reduced_pixels_are_means_of_known_ones(scale: int, height: int, width: int) -> None:
    rng = np.random.default_rng(scale)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = rng.random((height, width)) < 0.6
    hole[:20, :30] = True
    area = slice(1, -(-height // scale)), slice(0, -(-width // scale))
    small, holes = reduced(image, hole, area, scale)
    for row in range(small.shape[0]):
        for column in range(small.shape[1]):
            square = slice(scale * (row + 1), scale * (row + 2)), slice(scale * column, scale * (column + 1))
            known = image[square][~hole[square]].astype(int)
            assert holes[row, column] == (len(known) == 0)
            if len(known):
                assert (small[row, column] == (known.sum(axis=0) + len(known) // 2) // len(known)).all()
    assert holes.any()
    lines = reduced_lines(hole, area, scale)
    assert lines.shape == holes.shape
    assert lines[0, 0]
    assert not reduced_lines(np.zeros_like(hole), area, scale).any()


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_carrying_up_is_bilinear_between_centres(scale: int) -> None:
    rng = np.random.default_rng(scale)
    small = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    area = slice(4, 13), slice(2, 13)
    core = slice(5 * scale + 1, 12 * scale), slice(3 * scale, 13 * scale - 1)
    found = carried_up(small, area, core, scale)

    def between(values: np.ndarray, pixels: slice, start: int) -> np.ndarray:
        places = (np.arange(pixels.start, pixels.stop) + 0.5) / scale - 0.5 - start
        before = np.floor(places).astype(int)
        share = (places - before).reshape(-1, *[1] * (values.ndim - 1))
        clipped = np.clip([before, before + 1], 0, len(values) - 1)
        return values[clipped[0]] * (1 - share) + values[clipped[1]] * share

    exact = between(small.astype(float), core[0], 4)
    exact = between(exact.transpose(1, 0, 2), core[1], 2).transpose(1, 0, 2)
    assert (found == np.floor(exact + 0.5 + 1e-9)).all()


def test_a_flat_image_stays_flat() -> None:
    image = np.full((64, 64, 3), 137, np.uint8)
    hole = np.zeros((64, 64), np.bool_)
    hole[20:40, 20:40] = True
    small, _ = reduced(image, hole, (slice(0, 13), slice(0, 13)), 5)
    small[small == 0] = 137
    assert (carried_up(small, (slice(0, 13), slice(0, 13)), (slice(20, 40), slice(20, 40)), 5) == 137).all()

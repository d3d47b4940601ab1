"""Super-resolution as inpainting: where pixels go, that they stay, and what the command refuses."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import ImageError
from inpaintrt.runtime.upscale import lattice_mask, place_on_grid, to_pixel_centres
from tests.commands import refused, run
from tests.conftest import random_image


def test_pixels_are_placed_in_the_middle_of_their_squares() -> None:
    image = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3) + 1
    large, hole = place_on_grid(image, 3)
    assert large.shape == (2, 6, 9, 3)
    assert (~hole).sum() == 2 * 2 * 3
    assert (large[1, 4, 7] == image[1, 1, 2]).all()
    assert not large[hole].any()
    assert (large[~hole].reshape(image.shape) == image).all()


def test_a_lattice_keeps_one_pixel_of_each_square() -> None:
    assert np.argwhere(~lattice_mask(6, 9, 3)).tolist() == [[row, column] for row in (1, 4) for column in (1, 4, 7)]
    assert np.argwhere(~lattice_mask(4, 4, 2)).tolist() == [[row, column] for row in (1, 3) for column in (1, 3)]


def half_a_pixel_further(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The formula of `to_pixel_centres`, one value at a time."""
    height, width, _ = image.shape
    result = np.empty_like(image)
    for y, x, channel in np.ndindex(image.shape):
        total = 0
        for a, b in np.ndindex(4, 4):
            row, column = min(max(y - 1 + a, 0), height - 1), min(max(x - 1 + b, 0), width - 1)
            total += (-1, 9, 9, -1)[a] * (-1, 9, 9, -1)[b] * int(image[row, column, channel])
        result[y, x, channel] = min(max((total + 128) // 256, 0), 255)
    return result


def test_even_factors_are_read_half_a_pixel_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inpaintrt.runtime.upscale.BAND", 4)
    filled, _ = random_image(10, 7, 0)
    filled[:3] = np.where(filled[:3] > 127, 255, 0)  # results beyond 0..255 are clamped
    expected = half_a_pixel_further(filled)
    assert (to_pixel_centres(filled, 2) == expected).all()
    both = to_pixel_centres(np.stack([filled[::-1], filled]), 4)
    assert (both[1] == expected).all()
    assert (both[0] == half_a_pixel_further(filled[::-1])).all()
    assert to_pixel_centres(filled, 3) is filled


def test_a_slope_lies_where_ordinary_resizing_puts_it() -> None:
    grid = np.arange(0, 160, 10, dtype=np.uint8)[None, :, None].repeat(16, axis=0).repeat(3, axis=2)
    assert (to_pixel_centres(grid, 2)[:, 1:-2] == grid[:, 1:-2] + 5).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_what_is_between_the_pixels_is_filled(dynamic_bundle: Bundle, factor: int) -> None:
    image, _ = random_image(40, 50, 0)  # enlarged, it is larger than the network takes
    with Inpainter(dynamic_bundle.path, "cpu") as inpaint:
        enlarged = inpaint.upscale(image, factor)
        assert enlarged.shape == (factor * 40, factor * 50, 3)
        grid, hole = place_on_grid(image, factor)
        filled = inpaint(grid, hole)
        assert filled[hole].any()
        assert (enlarged == (filled if factor == 3 else half_a_pixel_further(filled))).all()
        both = inpaint.upscale(np.stack([image, image[::-1]]), factor)
        assert (both[0] == enlarged).all()
        with pytest.raises(ImageError, match="by 2 or more, not by 1"):
            inpaint.upscale(image, 1)
        with pytest.raises(ImageError, match="expected uint8"):
            inpaint.upscale(image[0], 2)


def test_the_command_enlarges(shared_bundle: Bundle, tmp_path: Path) -> None:
    image, alpha = random_image(20, 24, 0)
    photo = Image.fromarray(image)
    photo.putalpha(Image.fromarray(alpha.astype(np.uint8) * 200))
    photo.save(tmp_path / "small.png")
    arguments = ("inpaint", shared_bundle.path, "--image", tmp_path / "small.png", "-o", tmp_path / "large.png")
    run(*arguments, "--upscale", 3, "--device", "cpu")
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (72, 60)
        assert large.mode == "RGBA"
        assert (np.asarray(large)[1::3, 1::3, :3] == image).all()
    Image.new("L", (20, 24)).save(tmp_path / "mask.png")
    assert "leave out --mask" in refused(*arguments, "--upscale", 4, "--mask", tmp_path / "mask.png")
    assert "--upscale" in refused(*arguments, "--upscale", 1)
    assert "over the limit of 200 megapixels" in refused(*arguments, "--upscale", 1000)

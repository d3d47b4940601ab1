"""Super-resolution as inpainting: where pixels go, that they stay, and what the command refuses."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import ImageError
from inpaintrt.runtime.upscale import place_on_grid
from tests.conftest import random_picture
from tests.test_commands import refused, run


def test_pixels_are_placed_in_the_middle_of_their_squares() -> None:
    image = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3) + 1
    large, hole = place_on_grid(image, 3)
    assert large.shape == (2, 6, 9, 3)
    assert (~hole).sum() == 2 * 2 * 3
    assert (large[1, 4, 7] == image[1, 1, 2]).all()
    assert not large[hole].any()
    assert (large[~hole].reshape(image.shape) == image).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_pixels_are_kept_and_what_is_between_is_filled(dynamic_bundle: Bundle, factor: int) -> None:
    image, _ = random_picture(40, 50, 0)  # enlarged, it is larger than the network takes
    with Inpainter(dynamic_bundle.path, "cpu") as inpaint:
        enlarged = inpaint.upscale(image, factor)
        assert enlarged.shape == (factor * 40, factor * 50, 3)
        _, hole = place_on_grid(image, factor)
        assert (enlarged[~hole].reshape(image.shape) == image).all()
        assert enlarged[hole].any()
        both = inpaint.upscale(np.stack([image, image[::-1]]), factor)
        assert (both[0] == enlarged).all()
        with pytest.raises(ImageError, match="by 2 or more, not by 1"):
            inpaint.upscale(image, 1)
        with pytest.raises(ImageError, match="expected uint8"):
            inpaint.upscale(image[0], 2)


def test_the_command_enlarges(shared_bundle: Bundle, tmp_path: Path) -> None:
    image, alpha = random_picture(20, 24, 0)
    photo = Image.fromarray(image)
    photo.putalpha(Image.fromarray(alpha.astype(np.uint8) * 200))
    photo.save(tmp_path / "small.png")
    arguments = ("inpaint", shared_bundle.path, "--image", tmp_path / "small.png", "-o", tmp_path / "large.png")
    run(*arguments, "--upscale", 4, "--device", "cpu")
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (96, 80)
        assert large.mode == "RGBA"
        assert (np.asarray(large)[2::4, 2::4, :3] == image).all()
    Image.new("L", (20, 24)).save(tmp_path / "mask.png")
    assert "leave out --mask" in refused(*arguments, "--upscale", 4, "--mask", tmp_path / "mask.png")
    assert "--upscale" in refused(*arguments, "--upscale", 1)
    assert "over the limit of 200 megapixels" in refused(*arguments, "--upscale", 1000)

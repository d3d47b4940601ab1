"""Ways to fill an image: they see nothing of the holes, and enlarging displaces nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inpaintrt.export.checkpoints import save_checkpoint
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime.upscale import place_on_grid, to_pixel_centres
from inpaintrt.training.methods import BASELINES, checkpoint_method, enlarge_bicubic, reduce_bicubic
from tests.training.conftest import smooth_image, square_hole


@pytest.mark.parametrize("name", BASELINES)
def test_methods_see_nothing_of_the_holes(name: str) -> None:
    image, hole = smooth_image(32), square_hole(32)
    other = image.copy()
    other[hole] = 255 - other[hole]
    filled = BASELINES[name](image, hole)
    assert (filled == BASELINES[name](other, hole)).all()
    assert (filled[~hole] == image[~hole]).all()


def test_a_checkpoint_is_a_method(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PConvUNet(widths=(4, 6)).eval()
    save_checkpoint(tmp_path / "a.ckpt", network, network.interface(image_range=(-1.0, 1.0)))
    fill = checkpoint_method(tmp_path / "a.ckpt")
    image, hole = smooth_image(32), square_hole(32)
    filled = fill(image, hole)
    assert (filled[~hole] == image[~hole]).all()
    assert (filled[hole] != image[hole]).any()
    # A size that the network does not take: the rest of the image is unknown.
    part = hole.copy()
    part[:, 31] = part[31] = True
    seen = np.where(part[..., None], np.uint8(0), image)
    assert (fill(image[:31, :31], hole[:31, :31]) == fill(seen, part)[:31, :31]).all()


def centre(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Where the brightness of an image has its centre: row and column."""
    weight = image[..., 0].astype(float)
    return tuple(float((weight * place).sum() / weight.sum()) for place in np.indices(weight.shape))  # type: ignore[return-value]


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_upscaling_displaces_nothing(factor: int) -> None:
    side = 12 * factor
    rows, columns = np.indices((side, side)) / factor
    blob = 255 * np.exp(-((rows - 5.3) ** 2 + (columns - 6.1) ** 2) / 4)
    large = np.rint(blob)[..., None].repeat(3, axis=2).astype(np.uint8)
    small = reduce_bicubic(large, factor)
    filled = BASELINES["biharmonic"](*place_on_grid(small, factor))
    enlarged = to_pixel_centres(filled, factor)
    assert enlarged.shape == large.shape
    assert centre(enlarged) == pytest.approx(centre(large), abs=0.05)
    assert centre(enlarge_bicubic(small, factor)) == pytest.approx(centre(large), abs=0.05)
    if factor % 2 == 0:  # the grid itself is displaced by half a pixel
        assert np.subtract(centre(filled), centre(large)) == pytest.approx([0.5, 0.5], abs=0.05)

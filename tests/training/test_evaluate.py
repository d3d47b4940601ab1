"""Evaluation: methods that see nothing of the holes, measures by hand, and tables that say which method is better."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from inpaintrt.export.checkpoints import save_checkpoint
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime.upscale import place_on_grid, to_pixel_centres
from inpaintrt.training.evaluate import MEASURES, evaluate, evaluate_upscaling, measure, short_names
from inpaintrt.training.inception import inception_classifier, inception_score
from inpaintrt.training.methods import BASELINES, checkpoint_method, enlarge_bicubic, reduce_bicubic


def smooth_image(size: int = 96) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return np.array(small.resize((size, size), Image.Resampling.BICUBIC))


def square_hole(size: int) -> NDArray[np.bool_]:
    hole = np.zeros((size, size), np.bool_)
    hole[10:20, 10:20] = True
    return hole


def test_evaluation_sees_which_method_is_better() -> None:
    methods = {"mean": BASELINES["mean"], "Telea": BASELINES["Telea"], "perfect": lambda image, hole: image}
    rows = evaluate(methods, [smooth_image()], 64, 2, 0, keep_images=True)
    assert len(rows) == 6
    for row in rows:
        mean, telea, perfect = (row["methods"][name] for name in methods)
        assert mean["psnr_hole"] < telea["psnr_hole"] < perfect["psnr_hole"] == float("inf")
        assert mean["ssim_hole"] < telea["ssim_hole"] < perfect["ssim_hole"] == 1
        assert mean["l1_hole"] > telea["l1_hole"] > perfect["l1_hole"] == 0
        assert row["best"] == {"mean": 0, "Telea": 0, "perfect": 1}
        assert len(row["images"]["mean"]) == 2
    assert not evaluate({"mean": BASELINES["mean"]}, [smooth_image()], 64, 1, 0)[0]["images"]["mean"]


@pytest.mark.parametrize("name", BASELINES)
def test_methods_see_nothing_of_the_holes(name: str) -> None:
    image, hole = smooth_image(32), square_hole(32)
    other = image.copy()
    other[hole] = 255 - other[hole]
    filled = BASELINES[name](image, hole)
    assert (filled == BASELINES[name](other, hole)).all()
    assert (filled[~hole] == image[~hole]).all()


def test_measures_by_hand() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    hole = np.zeros((8, 8), np.bool_)
    hole[0, 0] = True
    filled = image.copy()
    filled[0, 0] = 255
    found = measure(filled, image, hole)
    assert set(found) == set(MEASURES)
    assert found["psnr_hole"] == 0
    assert found["psnr_image"] == pytest.approx(10 * np.log10(64))
    assert found["l1_hole"] == 100
    assert found["l1_image"] == pytest.approx(100 / 64)


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


def test_upscaling_is_compared_with_bicubic() -> None:
    copies = {"biharmonic": BASELINES["biharmonic"], "nothing": lambda image, hole: image}
    (two, three) = evaluate_upscaling(copies, [smooth_image()], 48, [2, 3])
    for row in (two, three):
        found = {name: values["psnr_image"] for name, values in row["methods"].items()}
        assert list(found) == ["bicubic", "biharmonic", "nothing"]
        assert found["nothing"] < 20
        assert 35 < min(found["bicubic"], found["biharmonic"])
    assert (two["factor"], three["factor"]) == (2, 3)


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


def test_checkpoints_of_one_name_are_told_apart() -> None:
    paths = [Path(name) for name in ("a/demo.ckpt", "b/demo.ckpt", "b/other.ckpt", "b/mean.ckpt")]
    names = [str(paths[0]), str(paths[1]), "other", str(paths[3])]
    assert short_names(paths) == dict(zip(names, paths, strict=True))


def test_inception_score_by_hand() -> None:
    images = [np.full((4, 4, 3), value, np.uint8) for value in (0, 255)]

    def sure(batch: torch.Tensor) -> torch.Tensor:
        return torch.eye(2)[(batch.mean(dim=(1, 2, 3)) > 0.5).long()]

    assert inception_score(images, sure) == pytest.approx(2)
    assert inception_score(images, lambda batch: torch.full((1, 2), 0.5)) == pytest.approx(1)


def test_where_inception_cannot_be_had_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert inception_classifier() is None
    assert "inception score: not available" in capsys.readouterr().err

"""Measures by hand, and tables that say which method is better."""

from pathlib import Path

import numpy as np
import pytest

from inpaintrt.training.evaluate import MEASURES, evaluate, evaluate_upscaling, measure, short_names
from inpaintrt.training.methods import BASELINES
from tests.training.conftest import smooth_image


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


def test_upscaling_is_compared_with_bicubic() -> None:
    copies = {"biharmonic": BASELINES["biharmonic"], "nothing": lambda image, hole: image}
    (two, three) = evaluate_upscaling(copies, [smooth_image()], 48, [2, 3])
    for row in (two, three):
        found = {name: values["psnr_image"] for name, values in row["methods"].items()}
        assert list(found) == ["bicubic", "biharmonic", "nothing"]
        assert found["nothing"] < 20
        assert 35 < min(found["bicubic"], found["biharmonic"])
    assert (two["factor"], three["factor"]) == (2, 3)


def test_checkpoints_of_one_name_are_told_apart() -> None:
    paths = [Path(name) for name in ("a/demo.ckpt", "b/demo.ckpt", "b/other.ckpt", "b/mean.ckpt")]
    names = [str(paths[0]), str(paths[1]), "other", str(paths[3])]
    assert short_names(paths) == dict(zip(names, paths, strict=True))

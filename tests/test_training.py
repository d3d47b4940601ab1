"""The recipe: losses by their formulas, samples by their seed, and a run that is the same twice."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("lightning")

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.training.evaluate import evaluate, fill_with_mean, fill_with_telea, hole_psnr
from inpaintrt.training.losses import hole_loss, pixel_loss, total_variation_loss, valid_loss
from inpaintrt.training.photos import MaskedCrops, find_photos, load_photo
from inpaintrt.training.recipe import TrainingConfig, train


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 3, 6, 7), torch.randn(2, 3, 6, 7), (torch.rand(2, 1, 6, 7) > 0.4).float()


def test_losses_follow_the_papers_formulas() -> None:
    output, target, mask = tensors()
    o, t, m = output.numpy(), target.numpy(), np.repeat(mask.numpy(), 3, axis=1)
    assert hole_loss(output, target, mask).item() == pytest.approx(np.abs((1 - m) * (o - t)).sum() / o.size, rel=1e-5)
    assert valid_loss(output, target, mask).item() == pytest.approx(np.abs(m * (o - t)).sum() / o.size, rel=1e-5)
    composite, region = m * t + (1 - m) * o, np.zeros_like(m)
    for n, c, i, j in np.ndindex(m.shape):
        around = m[n, c, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        region[n, c, i, j] = 1 if (around == 0).any() else 0
    across = np.abs(np.diff(composite, axis=3)) * region[..., 1:] * region[..., :-1]
    down = np.abs(np.diff(composite, axis=2)) * region[..., 1:, :] * region[..., :-1, :]
    assert total_variation_loss(output, target, mask).item() == pytest.approx(across.mean() + down.mean(), rel=1e-5)
    terms = pixel_loss(output, target, mask)
    expected = 6 * terms["hole"] + terms["valid"] + 0.1 * terms["total_variation"]
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "held-out"):
        small = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        small.resize((100, 80), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


def config(photos: Path, steps: int = 3) -> TrainingConfig:
    return TrainingConfig(
        (photos,), exclude=("held-out",), widths=(4, 6), crop=32, batch=2, steps=steps, precision="32-true", workers=0
    )


def test_samples_depend_on_seed_and_index_alone(photos: Path) -> None:
    pictures = [load_photo(path, 64) for path in find_photos([photos])]
    first, again, other = (MaskedCrops(pictures, 32, 10, seed) for seed in (0, 0, 1))
    assert torch.equal(first[7][0], again[7][0])
    assert torch.equal(first[7][1], again[7][1])
    assert not torch.equal(first[7][0], other[7][0])
    image, mask = first[3]
    assert image.shape == (3, 32, 32)
    assert -1 <= image.min() < image.max() <= 1
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_held_out_photos_are_held_out(photos: Path) -> None:
    assert [path.name for path in find_photos([photos], ["held-out"])] == ["a.png", "b.png"]
    with pytest.raises(FileNotFoundError, match="no photographs"):
        find_photos([photos], [".png"])


def test_training_twice_gives_the_same_checkpoint(photos: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        train(config(photos), tmp_path / f"{name}.ckpt")
    train(config(photos, steps=4), tmp_path / "longer.ckpt")
    first, second, longer = (
        load_checkpoint(tmp_path / f"{name}.ckpt").network.state_dict() for name in ("first", "second", "longer")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], longer[key]) for key in first)
    assert load_checkpoint(tmp_path / "first.ckpt").interface.image_range == (-1.0, 1.0)


def test_configuration_files_are_strict(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("photos: [some/folder]\nsteps: 5\nwidths: [4, 6]\n")
    loaded = TrainingConfig.load(path)
    assert loaded.photos == (tmp_path / "some/folder",)
    assert (loaded.steps, loaded.widths) == (5, (4, 6))
    path.write_text("photos: [x]\nstep: 5\n")
    with pytest.raises(ValueError, match="unknown: step; known keys are photos"):
        TrainingConfig.load(path)
    path.write_text("steps: 5\n")
    with pytest.raises(ValueError, match="photos is missing"):
        TrainingConfig.load(path)


def test_the_demo_configuration_is_valid() -> None:
    TrainingConfig.load(Path(__file__).parent.parent / "training" / "demo.yaml")


def test_evaluation_sees_which_method_is_better() -> None:
    rng = np.random.default_rng(0)
    photo = np.asarray(
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    )
    methods = {"mean": fill_with_mean, "Telea": fill_with_telea, "perfect": lambda image, hole: image}
    rows = evaluate(methods, [photo], 64, 2, 0)
    assert len(rows) == 6
    assert all(row["mean"] < row["Telea"] < row["perfect"] == float("inf") for row in rows)


def test_methods_see_nothing_of_the_holes() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    hole = np.zeros((32, 32), np.bool_)
    hole[10:20, 10:20] = True
    other = photo.copy()
    other[hole] = 255 - other[hole]
    for method in (fill_with_mean, fill_with_telea):
        assert (method(photo, hole) == method(other, hole)).all()
        assert (method(photo, hole)[~hole] == photo[~hole]).all()


def test_hole_psnr_by_hand() -> None:
    photo = np.zeros((4, 4, 3), np.uint8)
    hole = np.zeros((4, 4), np.bool_)
    hole[0, 0] = True
    filled = photo.copy()
    filled[0, 0] = 255
    assert hole_psnr(filled, photo, hole) == 0

"""Small images and runs that the tests of training share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.training.config import Adversary, Stage, TrainingConfig
from inpaintrt.training.images import ImageStore
from inpaintrt.training.losses import LossWeights
from inpaintrt.training.masks import MaskMix

WITHOUT_FEATURES = LossWeights(perceptual=0, style=0)

GATED: dict[str, Any] = {
    "network": "deepfill_v2",
    "arguments": {"width": 4},
    "adversary": Adversary(weight=0.1, width=2, learning_rate=1e-3, start=1),
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three images of 50x40 pixels: a, b and held-out."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "held-out"):
        small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        small.resize((50, 40), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def store(photos: Path) -> ImageStore:
    """All three images, checked."""
    images = ImageStore(sorted(photos.iterdir()), 64)
    images.check()
    return images


def make_config(photos: Path, **changes: Any) -> TrainingConfig:
    """A run of five steps in two stages, saved after each second one."""
    first = Stage(steps=3, learning_rate=1e-3, crop=16, batch=2, masks=MaskMix(lattice=0.2))
    second = Stage(steps=2, learning_rate=1e-3, crop=32, batch=1, freeze_encoder_norm=True, decay=True)
    values: dict[str, Any] = {
        "photos": (photos,), "stages": (first, second), "exclude": ("held-out",), "arguments": {"widths": (4, 4)},
        "loss": WITHOUT_FEATURES, "precision": "32-true", "workers": 0, "save_every": 2,
    }  # fmt: skip
    return TrainingConfig(**(values | changes))


def weights(path: Path) -> dict[str, Tensor]:
    """Of a checkpoint."""
    return load_checkpoint(path).network.state_dict()


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether weights are bit-identical."""
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def smooth_image(size: int = 96) -> NDArray[np.uint8]:
    """An image without detail, [size,size,3]."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return np.array(small.resize((size, size), Image.Resampling.BICUBIC))


def square_hole(size: int) -> NDArray[np.bool_]:
    """A hole of 10x10 pixels in a mask [size,size]."""
    hole = np.zeros((size, size), np.bool_)
    hole[10:20, 10:20] = True
    return hole


YAML = """
photos: [photos]
exclude: [held-out]
arguments: {widths: [4, 4]}
loss: {perceptual: 0, style: 0}
stages:
  - {steps: 3, crop: 16, batch: 2, learning_rate: 1e-3}
  - {steps: 2, crop: 32, batch: 1, freeze_encoder_norm: true}
precision: 32-true
workers: 0
save_every: 2
"""
"""About `make_config`, as users write it."""


@pytest.fixture
def write_yaml(photos: Path) -> Callable[[str], Path]:
    """Writes a configuration beside `photos`; a line that begins with a key replaces the line with that key."""

    def write(changes: str = "") -> Path:
        new = [line for line in changes.splitlines() if line.strip()]
        keys = {line.split(":")[0] for line in new if not line.startswith(" ")}
        kept, skipping = [], False
        for line in YAML.strip().splitlines():
            skipping = line.split(":")[0] in keys if not line.startswith(" ") else skipping
            kept += [] if skipping else [line]
        path = photos.parent / "run.yaml"
        path.write_text("\n".join(kept + [line for line in new if not line.endswith("REMOVED")]) + "\n")
        return path

    return write

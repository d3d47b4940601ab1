"""What a training run depends on, read from a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .losses import LossWeights
from .photos import MaskMix

Part = TypeVar("Part")


@dataclass(frozen=True)
class Stage:
    """A part of the run.

    Args:
        steps: number of optimiser steps.
        learning_rate: its highest value; the paper has 2e-4 in the first stage and 5e-5 in the second.
        crop: side of a crop in pixels.
        batch: crops a step.
        freeze_encoder_norm: whether batch norms of the encoder keep their statistics and weights, which is the paper's
            second stage: holes bias the statistics of a batch.
        decay: whether the learning rate falls to zero along a cosine, after a twentieth of the stage in which it rises.
        masks: which holes, see `MaskMix`.
        loss: factors of the terms in this stage; the run's if None.
    """

    steps: int
    learning_rate: float = 2e-4
    crop: int = 256
    batch: int = 6
    freeze_encoder_norm: bool = False
    decay: bool = False
    masks: MaskMix = field(default_factory=MaskMix)
    loss: LossWeights | None = None


@dataclass(frozen=True)
class Adversary:
    """SN-PatchGAN beside the other losses.

    Args:
        weight: of the generator's loss; 0 for none.
        width: of the discriminator, 64 in the paper.
        learning_rate: of the discriminator. Layers with spectral norm learn nothing at a few times the default.
        start: step from which on it takes part.
    """

    weight: float = 0.0
    width: int = 64
    learning_rate: float = 1e-4
    start: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Args:
        photos: folders searched for photographs, or photographs; relative ones are taken from the configuration's
            folder.
        stages: one after the other.
        network: `pconv_unet` or `deepfill_v2`.
        arguments: of the network's class.
        start_from: checkpoint whose network and weights the run begins with; `arguments` then are changes of its own.
        scale_by_data: whether the first weights are scaled by a batch (`initialise.py`), which gated networks need.
        exclude: strings in file names that keep a photograph out.
        short_side: photographs are reduced to this many pixels on their short side before cropping.
        loss: factors of the terms, the paper's by default.
        vgg16: file with torchvision's weights of VGG-16; without it torchvision is asked.
        adversary: SN-PatchGAN.
        weight_decay: of AdamW.
        gradient_clip: largest norm of the gradients.
        ema_decay: of the averaged weights that are saved.
        precision: as Lightning names it: `bf16-mixed`, `16-mixed`, `32-true`.
        save_every: steps between two states that a run can be resumed from.
        workers: processes that prepare crops.
        seed: of weights, crops and masks.
    """

    photos: tuple[Path, ...]
    stages: tuple[Stage, ...]
    network: str = "pconv_unet"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    start_from: Path | None = None
    scale_by_data: bool = False
    exclude: tuple[str, ...] = ()
    short_side: int = 512
    loss: LossWeights = field(default_factory=LossWeights)
    vgg16: Path | None = None
    adversary: Adversary = field(default_factory=Adversary)
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    precision: str = "bf16-mixed"
    save_every: int = 250
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, found in (("photos", self.photos), ("stages", self.stages)):
            if not found:
                raise ValueError(f"{name} is empty")
        if self.save_every < 1 or any(stage.steps < 1 or stage.batch < 1 for stage in self.stages):
            raise ValueError("steps, batch and save_every must be at least 1")

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Read a YAML file.

        Raises:
            ValueError: if it cannot be read, a key is unknown, a value is of another kind, or `photos` or `stages` is
                missing.
        """
        try:
            values = yaml.safe_load(path.read_text()) or {}
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ValueError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path}: expected keys and values, found {type(values).__name__}")
        try:
            _check(cls, values, ("photos", "stages"))
            values["stages"] = tuple(_stage(stage) for stage in values["stages"])
            for name, kind in (("loss", LossWeights), ("adversary", Adversary)):
                if name in values:
                    values[name] = _part(kind, values[name])
            folder = path.parent
            values["photos"] = tuple(folder / Path(each).expanduser() for each in values["photos"])
            for name in ("vgg16", "start_from"):
                if name in values:
                    values[name] = (folder / Path(values[name]).expanduser()).resolve()
            values["exclude"] = tuple(values.get("exclude", ()))
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None

    @property
    def needs_features(self) -> bool:
        """Whether a stage compares features of VGG-16."""
        return any((stage.loss or self.loss).needs_features for stage in self.stages)

    @property
    def first_steps(self) -> tuple[int, ...]:
        """The step each stage begins with, and behind them the number of steps."""
        return tuple(accumulate((stage.steps for stage in self.stages), initial=0))


def _stage(values: Any) -> Stage:
    kinds = {"masks": MaskMix, "loss": LossWeights}
    if isinstance(values, dict):
        values = values | {name: _part(kind, values[name]) for name, kind in kinds.items() if name in values}
    return _part(Stage, values)


def _part(kind: type[Part], values: Any) -> Part:
    if not isinstance(values, dict):
        raise ValueError(f"expected the keys of {kind.__name__}, found {values!r}")
    _check(kind, values)
    return kind(**values)


def _check(kind: Any, values: dict[str, Any], needed: tuple[str, ...] = ()) -> None:
    known = [each.name for each in fields(kind)]
    unknown = [name for name in values if name not in known]
    missing = [name for name in needed if name not in values]
    if unknown or missing:
        found = f"unknown: {', '.join(unknown)}" if unknown else f"missing: {', '.join(missing)}"
        raise ValueError(f"{found}; known keys are {', '.join(known)}")
    for each in fields(kind):
        if each.name not in values:
            continue
        value, wanted = values[each.name], each.type
        if wanted in (bool, int, float, str):
            # A truth value is an integer to Python, but no number of steps.
            numbers = wanted is float and isinstance(value, int)
            fits = isinstance(value, bool) == (wanted is bool) and (numbers or type(value) is wanted)
            expected = wanted.__name__ if isinstance(wanted, type) else str(wanted)
        else:
            fits, expected = not str(wanted).startswith("tuple") or isinstance(value, list), "a list"
        if not fits:
            raise ValueError(f"{each.name} is {value!r}; expected {expected}")

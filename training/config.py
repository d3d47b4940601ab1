"""What a training run depends on; `reading.py` makes it from a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from .limits import Checked, ConfigError, number
from .losses import LossWeights
from .masks import MaskMix


@dataclass(frozen=True)
class Stage(Checked):
    """A part of the run.

    Args:
        steps: number of optimiser steps.
        learning_rate: its highest value; Liu et al. have 2e-4 in the first stage and 5e-5 in the second.
        crop: side of a crop in pixels.
        batch: crops a step.
        freeze_encoder_norm: whether batch norms of the encoder keep their statistics and weights, which is the second
            stage of Liu et al.: holes bias the statistics of a batch.
        decay: whether the learning rate falls to zero along a cosine, after a twentieth of the stage in which it rises.
        masks: which holes, see `MaskMix`.
        loss: factors of the terms in this stage; the run's if None.
    """

    steps: int = number(least=1, most=10**9)
    learning_rate: float = number(2e-4, above=0)
    crop: int = number(256, least=1, most=65536)
    batch: int = number(6, least=1, most=65536)
    freeze_encoder_norm: bool = False
    decay: bool = False
    masks: MaskMix = field(default_factory=MaskMix)
    loss: LossWeights | None = None


@dataclass(frozen=True)
class Adversary(Checked):
    """SN-PatchGAN beside the other losses (Yu et al., ICCV 2019).

    Args:
        weight: of the generator's loss; 0 for none.
        width: of the discriminator, 64 in the paper.
        learning_rate: of the discriminator. Layers with spectral norm learn nothing at a few times the default.
        betas: of the discriminator's Adam, the authors'.
        weight_decay: of the discriminator.
        start: step from which on it takes part.
    """

    weight: float = number(0.0, least=0)
    width: int = number(64, least=1)
    learning_rate: float = number(1e-4, above=0)
    betas: tuple[float, float] = number((0.5, 0.999), least=0, below=1)
    weight_decay: float = number(0.0, least=0)
    start: int = number(0, least=0)


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """A training run.

    Args:
        photos: folders searched for images, or images; relative ones are taken from the configuration's folder.
        stages: one after the other.
        network: `pconv_unet`, the default, or `deepfill_v2`.
        arguments: of the network's class.
        start_from: checkpoint whose network and weights the run begins with; `arguments` then are changes to its own.
        initialise: first weights: `he` (Liu et al.), `glorot` (Yu et al.) or `pytorch`; that of the network's paper if
            None.
        scale_by_data: whether the first weights are orthogonal and scaled by a batch (`initialise.py`), which gated
            networks need.
        exclude: strings in file names that keep an image out.
        short_side: images are reduced to this many pixels on their short side before cropping.
        loss: factors of the terms, the paper's by default.
        vgg16: file with torchvision's weights of VGG-16; without it torchvision is asked.
        adversary: SN-PatchGAN.
        optimizer: `adam`, or `adamw` with decoupled weight decay.
        betas: of the optimiser; None for those of the network's authors: (0.9, 0.999), DeepFillv2 (0.5, 0.999).
        weight_decay: of the optimiser.
        gradient_clip: largest norm of the gradients; None for any.
        ema_decay: of the averaged weights that are saved; at step n at most (1 + n) / (10 + n).
        precision: `bf16-mixed`, `16-mixed` (only on a GPU) or `32-true`.
        save_every: steps between two states that a run can be resumed from.
        workers: processes that prepare crops.
        seed: of weights, crops and masks.
    """

    photos: tuple[Path, ...]
    stages: tuple[Stage, ...]
    network: Literal["pconv_unet", "deepfill_v2"] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    start_from: Path | None = None
    initialise: Literal["he", "glorot", "pytorch"] | None = None
    scale_by_data: bool = False
    exclude: tuple[str, ...] = ()
    short_side: int = number(512, least=1, most=65536)
    loss: LossWeights = field(default_factory=LossWeights)
    vgg16: Path | None = None
    adversary: Adversary = field(default_factory=Adversary)
    optimizer: Literal["adam", "adamw"] = "adam"
    betas: tuple[float, float] | None = number(None, least=0, below=1)
    weight_decay: float = number(0.0, least=0)
    gradient_clip: float | None = number(1.0, above=0)
    ema_decay: float = number(0.999, least=0, below=1)
    precision: Literal["bf16-mixed", "16-mixed", "32-true"] = "bf16-mixed"
    save_every: int = number(250, least=1)
    workers: int = number(1, least=0, most=256)
    seed: int = number(0, least=0, most=2**32 - 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, found in (("photos", self.photos), ("stages", self.stages)):
            if not found:
                raise ConfigError(name, list(found), "at least one entry")
        if "" in self.exclude:
            raise ConfigError("exclude", list(self.exclude), "strings of at least one character")
        for key, given in (("scale_by_data", self.scale_by_data), ("initialise", self.initialise)):
            if given and self.start_from is not None:
                raise ConfigError(key, given, "none beside start_from, whose weights the run begins with")
        if self.adversary.weight > 0 and self.adversary.start >= self.steps:
            raise ConfigError("adversary.start", self.adversary.start, f"a step of the run, which has {self.steps}")
        for number_, (first, stage) in enumerate(zip(self.first_steps[:-1], self.stages, strict=True)):
            self._check_stage(f"stages[{number_}]", first, stage)

    def _check_stage(self, key: str, first: int, stage: Stage) -> None:
        if stage.crop > self.short_side:
            expected = f"at most short_side, which is {self.short_side}: images are reduced to that"
            raise ConfigError(f"{key}.crop", stage.crop, expected)
        judged = self.adversary.weight > 0 and self.adversary.start <= first
        if not (stage.loss or self.loss).has_terms() and not judged:
            where = "loss" if stage.loss is None else f"{key}.loss"
            raise ConfigError(where, "0 for every term", "a term above 0: a run without a loss learns nothing")

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Read a YAML file.

        Raises:
            ConfigError: with file, key, what was found and what was expected.
        """
        from .reading import read_config  # which reads this class

        return read_config(path)

    @property
    def needs_features(self) -> bool:
        """Whether a stage compares features of VGG-16."""
        return any((stage.loss or self.loss).needs_features for stage in self.stages)

    @property
    def steps(self) -> int:
        """The steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def first_steps(self) -> tuple[int, ...]:
        """The step each stage begins with, and past them the number of steps."""
        return tuple(accumulate((stage.steps for stage in self.stages), initial=0))

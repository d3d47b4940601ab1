"""Runs made in Python: limits of the values, and values that do not fit each other."""

from pathlib import Path

import pytest

from inpaintrt.training.config import Stage, TrainingConfig
from inpaintrt.training.limits import ConfigError
from inpaintrt.training.losses import LossWeights
from tests.training.conftest import make_config


def test_stages_follow_each_other() -> None:
    config = TrainingConfig((Path(),), (Stage(5), Stage(40), Stage(1)))
    assert config.first_steps == (0, 5, 45, 46)
    assert config.steps == 46


def test_features_are_needed_if_one_stage_compares_them() -> None:
    off = LossWeights(perceptual=0, style=0)
    assert TrainingConfig((Path(),), (Stage(5),)).needs_features
    assert not TrainingConfig((Path(),), (Stage(5),), loss=off).needs_features
    assert TrainingConfig((Path(),), (Stage(5, loss=LossWeights(style=1)),), loss=off).needs_features


def test_defaults_are_the_papers() -> None:
    config = TrainingConfig((Path(),), (Stage(5),))
    assert (config.optimizer, config.weight_decay, config.betas, config.initialise) == ("adam", 0, None, None)
    assert (config.adversary.betas, config.adversary.learning_rate) == ((0.5, 0.999), 1e-4)


def test_wrong_values_are_refused_in_python_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gradient_clip is -1; expected a number above 0"):
        make_config(tmp_path, gradient_clip=-1)
    with pytest.raises(ConfigError, match=r"learning_rate is nan; expected a number above 0"):
        Stage(5, learning_rate=float("nan"))

"""Learning rates follow the stages."""

from itertools import pairwise
from pathlib import Path

import pytest

from inpaintrt.training.config import Stage
from inpaintrt.training.schedule import learning_rate, stage_at
from tests.training.conftest import make_config


def test_rates_follow_the_stages() -> None:
    stages = (Stage(steps=5, learning_rate=2e-4), Stage(steps=40, learning_rate=1e-3, decay=True))
    run = make_config(Path(), stages=stages)
    rates = [learning_rate(run, step) for step in range(45)]
    assert rates[:5] == [2e-4] * 5
    assert rates[5:8] == pytest.approx([5e-4, 1e-3, 1e-3])
    assert all(after < before for before, after in pairwise(rates[7:]))
    assert rates[-1] < 1e-5


def test_a_step_belongs_to_a_stage() -> None:
    run = make_config(Path(), stages=(Stage(5, crop=8), Stage(4, crop=16)))
    assert [(stage_at(run, step)[0].crop, stage_at(run, step)[1]) for step in (0, 4, 5, 8, 9)] == [
        (8, 0), (8, 4), (16, 0), (16, 3), (16, 4),
    ]  # fmt: skip

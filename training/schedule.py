"""Which stage a step belongs to, and its learning rate: functions only of the step, so that a run can be resumed."""

import math

from .config import Stage, TrainingConfig

WARM_UP = 0.05
"""Share of a stage with `decay` in which the learning rate rises."""


def stage_at(config: TrainingConfig, step: int) -> tuple[Stage, int]:
    """The stage of a step, and the number of the step within it; the last stage for steps past the end."""
    first = [begin for begin in config.first_steps[:-1] if begin <= step][-1]
    return config.stages[config.first_steps.index(first)], step - first


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Constant within a stage; with `decay` it rises in a line, and falls along a cosine to a thousandth."""
    stage, done = stage_at(config, step)
    if not stage.decay:
        return stage.learning_rate
    rising = max(1, round(WARM_UP * stage.steps))
    if done < rising:
        return stage.learning_rate * (done + 1) / rising
    falling = (done - rising) / max(1, stage.steps - rising)
    return stage.learning_rate * max(1e-3, (1 + math.cos(math.pi * min(1.0, falling))) / 2)

"""What a run shows: one bar on a terminal, plain lines elsewhere; losses are means, not those of one batch."""

import os
import sys
import time
from collections import deque
from typing import Any

from inpaintrt.runtime.console import say

from .config import TrainingConfig

WINDOW = 50
"""Steps over which the bar's loss and the speed are averaged."""

SECONDS = 60.0
"""Between two plain lines, at least; there is one after each saved state too."""


class RunProgress:
    """Steps, averaged losses, images per second and time left of a whole run.

    Args:
        config: the run.
        step: how many steps are done.
    """

    def __init__(self, config: TrainingConfig, step: int):
        self.config = config
        self.step = step
        self.images_per_second = 0.0
        self._sums: dict[str, list[float]] = {}
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._times: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)
        self._begin = self._said = time.monotonic()
        self._bar = _make_bar(config.steps, step)

    def add(self, terms: dict[str, float], images: int, crop: int) -> None:
        """One more step is done: its losses, and how many images of which crop it saw."""
        now = time.monotonic()
        self.step += 1
        self._losses.append(terms["loss"])
        for name, value in terms.items():
            self._sums.setdefault(name, []).append(value)
        self._times.append((now - self._begin, images, crop))
        self._begin = now
        seconds = max(sum(each for each, _, _ in self._times), 1e-9)
        self.images_per_second = sum(each for _, each, _ in self._times) / seconds
        if self._bar is not None:
            bar, task = self._bar
            loss = sum(self._losses) / len(self._losses)
            bar.update(task, completed=self.step, words=f"loss {loss:.3g}  {self.images_per_second:.1f} images/s")
            bar.update(task, left=f"{duration(self.seconds_left())} left")
        elif now - self._said > SECONDS:
            self.line()

    def take_means(self) -> dict[str, float]:
        """The mean of each term since the last call."""
        means = {name: sum(values) / len(values) for name, values in self._sums.items()}
        self._sums = {}
        return means

    def seconds_left(self) -> float:
        """For the rest of the run, by the pixels that it has to see."""
        pixels = sum(images * crop**2 for _, images, crop in self._times)
        seconds = sum(each for each, _, _ in self._times)
        ahead = 0
        for first, stage in zip(self.config.first_steps[:-1], self.config.stages, strict=True):
            done = min(max(self.step - first, 0), stage.steps)
            ahead += (stage.steps - done) * stage.batch * stage.crop**2
        return ahead * seconds / max(pixels, 1)

    def line(self) -> None:
        """A plain line, where there is no bar."""
        self._said = time.monotonic()
        if self._bar is None and self._losses:
            loss = sum(self._losses) / len(self._losses)
            say(
                f"step {self.step} of {self.config.steps}: mean loss {loss:.4g}, "
                f"{self.images_per_second:.1f} images/s, {duration(self.seconds_left())} left"
            )

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar[0].stop()


def _make_bar(steps: int, done: int) -> tuple[Any, Any] | None:
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    from rich.console import Console  # only where a bar is shown
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("step {task.completed:.0f} of {task.total:.0f}"), BarColumn(None),
        TextColumn("{task.fields[words]}"), TextColumn("{task.fields[left]}"), console=Console(stderr=True),
        expand=True,
    )  # fmt: skip
    bar.start()
    return bar, bar.add_task("", total=steps, completed=done, words="", left="")


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

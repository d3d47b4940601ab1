"""What a run shows: a bar on a terminal, lines elsewhere, and pictures in TensorBoard."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import lightning
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from inpaintrt.export.quiet import quiet_loggers
from inpaintrt.runtime.console import say

from .task import InpaintingTask

SHOWN = 4
"""Pictures of a batch that are shown in TensorBoard."""

LOGGERS = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")


class Bar(TQDMProgressBar):
    """Lightning's bar without the version of the logger."""

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


class Lines(Callback):
    """A line after each piece of the run."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, InpaintingTask)
        terms = ", ".join(f"{name} {float(value):.4g}" for name, value in trainer.progress_bar_metrics.items())
        say(f"step {int(pl_module.steps_done)} of {pl_module.config.first_steps[-1]}: {terms}")


class Pictures(Callback):
    """Pictures of the last batch of each piece: as they are, with holes, filled, composed."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, InpaintingTask)
        if isinstance(trainer.logger, TensorBoardLogger):
            rows = [torch.cat(list(row[:SHOWN]), dim=2) for row in pl_module.shown]
            sheet = (torch.cat(rows, dim=1).clamp(-1, 1) + 1) / 2
            trainer.logger.experiment.add_image("original, seen, filled, composite", sheet, int(pl_module.steps_done))


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Lightning without its advice: on other services, on workers, and on pieces shorter than its logging interval."""
    with quiet_loggers(LOGGERS, logging.WARNING), warnings.catch_warnings():
        for advice in ("The number of training batches", "Checkpoint directory", "The '.*dataloader' does not have"):
            warnings.filterwarnings("ignore", message=advice)
        warnings.filterwarnings("ignore", message=".*isinstance.treespec", category=FutureWarning)
        yield

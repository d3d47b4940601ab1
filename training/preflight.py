"""What is checked before the first step, so that nothing a run can know is found out after hours."""

import copy
import os
from pathlib import Path

import torch

from inpaintrt.runtime.errors import InpaintrtError, UsageError

from .config import TrainingConfig
from .crops import batches
from .images import ImageStore
from .precision import Precision
from .task import InpaintingTask, NotFiniteError


def check_output(output: Path) -> None:
    """Refuse an output that cannot become a file.

    Raises:
        UsageError: if its folder does not exist or cannot be written to, or something else than a file has its name.
    """
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: the folder {output.parent} does not exist; make it first")
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder; name a file in it, such as {output / 'network.ckpt'}")
    if output.exists() and not output.is_file():
        raise UsageError(f"--output {output}: is no regular file; name one, such as network.ckpt")
    if not os.access(output.parent, os.W_OK):
        raise UsageError(f"--output {output}: the folder {output.parent} cannot be written to")


def check_losses(config: TrainingConfig, features: bool) -> None:
    """Refuse stages that have no loss but those of VGG-16, whose weights cannot be had.

    Raises:
        UsageError: naming the stage.
    """
    for number, stage in enumerate(config.stages):
        if not features and config.adversary.weight == 0 and not (stage.loss or config.loss).has_terms(features=False):
            raise UsageError(
                f"stages[{number}]: perceptual and style are its only losses, and the weights of VGG-16 cannot be "
                "had; give another term a weight, or name their file as vgg16"
            )


def check_stages(task: InpaintingTask, config: TrainingConfig, images: ImageStore, precision: Precision) -> None:
    """One step on the first batch of each stage, with a copy of the networks.

    Raises:
        UsageError: naming the stage, if its batch cannot be made, the network does not take it, a loss or gradient is
            not finite, or the memory is too small.
    """
    for number, (first, stage) in enumerate(zip(config.first_steps[:-1], config.stages, strict=True)):
        place = f"stages[{number}]"
        trial = copy.deepcopy(task)
        trial.enter(stage)
        try:
            with batches(config, images, stage, first, first + 1, workers=0) as loader:
                image, mask = next(loader)
            late = max(first, config.adversary.start if first + stage.steps > config.adversary.start else 0)
            trial.step(
                image.to(precision.device), mask.to(precision.device), late, trial.optimizers(),
                Precision(config.precision),
            )  # fmt: skip
        except NotFiniteError as error:
            raise UsageError(f"{place}: {error}, on its first batch; lower the learning rate or losses") from None
        except InpaintrtError as error:
            raise UsageError(f"{place}: {error}") from None
        except torch.OutOfMemoryError:
            raise UsageError(
                f"{place}: {stage.batch} crops of {stage.crop}x{stage.crop} do not fit the GPU's memory; lower batch "
                "or crop"
            ) from None
        except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise UsageError(
                f"{place}: the network cannot be trained on {stage.batch} crops of {stage.crop}x{stage.crop}: {error}"
            ) from None

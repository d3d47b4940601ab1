"""`train-inpainter CONFIG -o CHECKPOINT`."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import command_line
from inpaintrt.runtime.errors import UsageError


def train_inpainter(
    config: Annotated[Path, typer.Argument(help="YAML file, such as training/demo.yaml.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.", show_default=False)],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run for the same checkpoint was stopped.")
    ] = False,
) -> None:
    """Train an inpainting network on photographs of your own, or fine-tune one.

    The configuration names the photographs, the network, its losses and its stages; `training/demo.yaml` is one, and
    `training/config.py` describes every key. The result goes straight into export-onnx.

    Example: train-inpainter training/demo.yaml -o demo.ckpt --resume

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    from .config import TrainingConfig
    from .recipe import train  # torch loads only where it is used

    try:
        train(TrainingConfig.load(config), output, resume)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None


main = command_line(train_inpainter)

"""`train-inpainter CONFIG -o CHECKPOINT`."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import command_line


def train_inpainter(
    config: Annotated[Path, typer.Argument(help="YAML file, such as training/demo.yaml.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.", show_default=False)],
) -> None:
    """Train a partial-convolution U-Net on a folder of photographs."""
    from .recipe import TrainingConfig, train  # torch loads only where it is used

    train(TrainingConfig.load(config), output)


main = command_line(train_inpainter)

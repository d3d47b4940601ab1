"""`train-inpainter CONFIG -o CHECKPOINT`."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import BAD_VERDICT, command_line, say


def train_inpainter(
    config: Annotated[Path, typer.Argument(help="YAML file, such as training/demo.yaml.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.", show_default=False)],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the stopped run of this output, if there is one.")
    ] = False,
) -> None:
    """Train an inpainting network on images of your own, or fine-tune one.

    The configuration names the images, the network, its losses and its stages; `training/demo.yaml` is one, and
    `training/config.py` describes every key. export-onnx takes the result as it is.

    Example: train-inpainter my.yaml -o my.ckpt --resume

    Exit codes: 0; 1 if a loss became NaN or infinite; 2 with one line that says what is wrong; 130 or 143 where Ctrl-C
    or SIGTERM stopped it, with the state saved.
    """
    from .config import TrainingConfig
    from .recipe import train  # torch loads only where it is used
    from .signals import Stopped
    from .task import NotFiniteError

    try:
        train(TrainingConfig.load(config), output, resume)
    except NotFiniteError as error:
        say(f"error: {error}")
        raise typer.Exit(BAD_VERDICT) from None
    except Stopped as stopped:
        say(str(stopped))
        raise typer.Exit(stopped.exit_code) from None


main = command_line(train_inpainter)

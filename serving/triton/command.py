"""`export-triton BUNDLE -o REPOSITORY`."""

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.console import command_line, print_json, say


class EngineOption(str, Enum):
    """What the bare network runs on."""

    AUTO = "auto"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    NONE = "none"


class PlaceOption(str, Enum):
    """Where the server runs the models."""

    CPU = "cpu"
    GPU = "gpu"


def export_triton(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Model repository; made if it is missing.", show_default=False)
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the models, NAME and NAME_engine.  [default: the bundle's]", show_default=False),
    ] = None,
    device: Annotated[PlaceOption, typer.Option(help="Where the server runs the models.")] = PlaceOption.CPU,
    instances: Annotated[int, typer.Option(help="Copies of each model, for each GPU or on the CPU.", min=1)] = 1,
    engine: Annotated[
        EngineOption,
        typer.Option(
            help="Backend of NAME_engine, the bare network; auto: tensorrt if the bundle holds its engines and the "
            "device is gpu, else onnxruntime; none leaves it out."
        ),
    ] = EngineOption.AUTO,
    queue_delay: Annotated[
        int, typer.Option(help="Microseconds that a request may wait for others to share its batch.", min=0)
    ] = 2000,
    max_megapixels: Annotated[float, typer.Option(help="Larger images are refused.", min=0.01, max=200)] = 50,
    threads: Annotated[int, typer.Option(help="CPU threads of each copy of NAME; 0 = all.", min=0)] = 0,
    site_packages: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder on the server where inpaintrt is installed, if the server's own Python lacks it; repeatable.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Write a model repository for Triton Inference Server.

    NAME takes images of any size, encoded or as arrays, through Triton's Python backend.
    NAME_engine is the bare network on Triton's own tensorrt or onnxruntime backend, for clients that pad images to the
    network's sizes themselves.

    A bundle that changed becomes a new version; a server takes it when it is asked to load the model again.

    Example: export-triton places -o repository

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    from .repository import TritonOptions, export_repository

    options = TritonOptions(
        gpu=device is PlaceOption.GPU,
        instances=instances,
        queue_delay=queue_delay,
        max_pixels=round(max_megapixels * 1e6),
        threads=threads,
        engine=engine.value,
        site_packages=tuple(site_packages or ()),
    )
    models = export_repository(bundle, output, name, options)
    for model in models:
        say(f"{output / model.name}: version {model.version}{'' if model.new else ', unchanged'}")
    if as_json:
        print_json({"repository": str(output), "models": [asdict(model) for model in models]})


main = command_line(export_triton)

"""`build-engines DIR`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import command_line, print_json, progress, say


def build_engines(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    backend: Annotated[
        str, typer.Option(help="auto, tensorrt (builds for this machine's GPU) or tensorrt-rtx (for any, on any).")
    ] = "auto",
    target: Annotated[
        str, typer.Option(help="local, all, or any of sm75, sm80, sm86, sm89, sm120, sm121 separated by commas.")
    ] = "local",
    precision: Annotated[str, typer.Option(help="fp16, fp32 or both.")] = "fp16",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Build TensorRT engines of a bundle, one for each target GPU. Engines that are up to date are left alone.

    Example: build-engines places --target sm86,sm89

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    from .store import build_engines as build  # Polygraphy loads only where it is used

    with progress() as shown:
        engines = build(
            bundle,
            backend=backend,  # type: ignore[arg-type]
            target=target,
            precisions=[part.strip() for part in precision.split(",")],
            on_start=shown.start,
            on_progress=shown.update,
        )
    for engine in engines:
        state = "up to date" if engine.up_to_date else "built"
        say(f"{bundle / engine.artifact.path}  {engine.artifact.bytes / 2**20:.1f} MiB  {state}")
    if as_json:
        print_json([asdict(engine) for engine in engines])


main = command_line(build_engines)

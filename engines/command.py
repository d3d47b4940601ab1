"""`build-engines DIR`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import command_line, print_json, progress, say


def build_engines(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    backend: Annotated[
        str, typer.Option(help="auto, tensorrt (only this machine's GPU) or tensorrt-rtx (any target, on any machine).")
    ] = "auto",
    target: Annotated[
        str,
        typer.Option(
            help="local (this machine's GPU), all, or any of sm75, sm80, sm86, sm89, sm120, sm121 separated by "
            "commas; on a machine without a GPU, name targets."
        ),
    ] = "local",
    precision: Annotated[str, typer.Option(help="fp16, fp32, or fp16,fp32 for both.")] = "fp16",
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the kernels the GPU will run, sorted by estimated time.")
    ] = False,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="With --plan: GPUs to estimate milliseconds for (not measured), such as l4,rtx-4090.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Build TensorRT or TensorRT-RTX engines of a bundle, one for each target GPU; docs/engines.md has the targets.

    Engines that are up to date are left as they are.

    Example: build-engines places --target sm86,sm89 --plan --gpu a10,l4

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    from .plan_report import check_gpus, describe_plan, say_plan
    from .store import build_engines as build  # Polygraphy loads only where it is used

    gpus = check_gpus(gpu, plan, target)
    with progress() as shown:
        engines = build(
            bundle,
            backend=backend,  # type: ignore[arg-type]
            target=target,
            precisions=[part.strip() for part in precision.split(",")],
            plan=plan,
            on_start=shown.start,
            on_progress=shown.update,
        )
    for engine in engines:
        state = "up to date" if engine.up_to_date else "built"
        say(f"{bundle / engine.artifact.path}  {engine.artifact.bytes / 2**20:.1f} MiB  {state}")
    plans = [describe_plan(bundle, engine.artifact, gpus) if plan else {} for engine in engines]
    if plan:
        for engine, found in zip(engines, plans, strict=True):
            say_plan(engine.artifact, found)
    if as_json:
        print_json([asdict(engine) | found for engine, found in zip(engines, plans, strict=True)])


main = command_line(build_engines)

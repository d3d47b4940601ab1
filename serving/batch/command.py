"""`inpaint-batch BUNDLE --images URI --masks URI -o URI`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.command import Device
from ...runtime.console import BAD_VERDICT, Progress, command_line, print_json, progress, say

if TYPE_CHECKING:
    from .job import BatchResult

EVERY = 10.0
"""Seconds between lines where there is no terminal."""


def inpaint_batch(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    images: Annotated[
        str,
        typer.Option(help="Folder of images, also in folders below it: a path, s3:// or gs://.", show_default=False),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder for filled/NAME.png and manifest/.", show_default=False)
    ],
    masks: Annotated[
        str | None,
        typer.Option(
            help="Folder of masks with the images' names (any suffix), or one mask for all. Not for a bundle whose "
            "mask is fixed.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that fill, on all machines together.", min=1)] = 1,
    cpus_per_worker: Annotated[int, typer.Option(help="CPU threads of each worker.", min=1)] = 1,
    gpus_per_worker: Annotated[float, typer.Option(help="GPUs of each worker; 0.5 lets two share one.", min=0)] = 0,
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster, or auto.  [default: this machine]", show_default=False)
    ] = None,
    device: Device = "auto",
    max_megapixels: Annotated[float, typer.Option(help="Larger images are refused.", min=0.01, max=200)] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Fill the images of a folder with Ray Data, on this machine or a cluster.

    Results are PNG; known pixels are bit-identical. The manifest, Parquet files, has name, hole ratio, backend, seconds
    and error of each image. Run the command again to fill what is missing, including what a killed worker, node or
    command left unfinished.

    Example: inpaint-batch places --images images --masks masks -o out --workers 4

    Exit codes: 0, 1 if images could not be filled (the manifest says why), or 2 with one line that says what is wrong.
    """
    from .cluster import BatchOptions
    from .job import run_batch

    options = BatchOptions(workers, cpus_per_worker, gpus_per_worker, device, round(max_megapixels * 1e6), address)
    start = time.perf_counter()
    with progress() as shown:
        shown.start(f"{images} -> {output}")
        result = run_batch(bundle, images, masks, output, options, _teller(shown))
    _report(result, time.perf_counter() - start, output, as_json)
    if result.failed:
        raise typer.Exit(BAD_VERDICT)


def _teller(shown: Progress) -> Callable[[int, int], None]:
    """What shows how many images are done, as a bar or now and then as a line."""
    said = time.perf_counter()

    def tell(done: int, total: int) -> None:
        nonlocal said
        shown.update(done / max(total, 1))
        if time.perf_counter() - said > EVERY:
            said = time.perf_counter()
            shown.line(f"{done} of {total}")

    return tell


def _report(result: "BatchResult", seconds: float, output: str, as_json: bool) -> None:
    say(f"{result.filled} filled in {seconds:.1f} s, {result.done_before} done before, {result.failed} failed")
    for name, error in result.errors.items():
        say(f"{name}: {error}")
    if result.failed > len(result.errors):
        say(f"and {result.failed - len(result.errors)} more; {output}/manifest tells why")
    if as_json:
        print_json({
            "filled": result.filled, "done_before": result.done_before, "failed": result.failed,
            "seconds": round(seconds, 3), "output": output,
        })  # fmt: skip


main = command_line(inpaint_batch)

"""`inpaint DIR --image PATH|FOLDER --mask PATH|FOLDER -o PATH|FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import BAD_VERDICT, command_line, print_json, say

BundleFolder = Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)]
Image = Annotated[Path, typer.Option(help="Image, or folder of images.", show_default=False)]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="Image to write, or folder (filled images are PNG there).", show_default=False),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        help="Mask of the same size, non-zero = hole to fill; or a folder of masks with the images' names "
        "(any suffix); or one mask for all images of a folder. Not for a bundle whose mask is fixed.",
        show_default=False,
    ),
]
Sketch = Annotated[
    Path | None,
    typer.Option(
        help="Lines for the filled holes to follow, non-zero = line; or a folder or one for all, as --mask. "
        "For a bundle exported with --sketch.  [default: no lines]",
        show_default=False,
    ),
]
Upscale = Annotated[
    int | None,
    typer.Option(
        help="Enlarge the image so many times instead of filling holes in it; without --mask. Not for networks "
        "trained on few lattices or none, as the demo networks: bicubic resizing is closer to the original there.",
        min=2,
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Skip images whose output is already there.")]
Device = Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, cuda:N (counted from cuda:0) or cuda:all.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 = all.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def inpaint(
    bundle: BundleFolder,
    image: Image,
    output: Output,
    mask: Mask = None,
    sketch: Sketch = None,
    upscale: Upscale = None,
    resume: Resume = False,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Fill the holes of an image or of a folder of images, or enlarge them.

    Known pixels stay bit-identical (PNG, TIFF, BMP, WebP).

    Images are 8-bit RGB, grey or palette, with or without transparency; 16-bit and CMYK ones are refused. Of a
    folder, images that cannot be filled are named, and the others are filled all the same.

    Example: inpaint places --image image.png --mask mask.png -o filled.png

    Exit codes: 0, 1 if images of a folder could not be filled, or 2 with one line that says what is wrong.
    """
    from .bundle import Bundle
    from .filling import fill_jobs  # numpy, Pillow and the backend load only where they are used
    from .planning import Request, plan_jobs

    request = Request(image, mask, sketch, output, upscale, resume)
    jobs = plan_jobs(Bundle.open(bundle), request)
    outcome = fill_jobs(bundle, device, threads, jobs, request)
    if as_json:
        print_json(outcome.to_json())
    if outcome.failed:
        what = "filled" if upscale is None else "enlarged"
        say(f"{len(outcome.failed)} of {len(jobs)} images could not be {what}")
        raise typer.Exit(BAD_VERDICT)


main = command_line(inpaint)

"""`inpaint DIR --image PATH|FOLDER|CLIP --mask PATH|FOLDER|CLIP -o PATH|FOLDER|CLIP`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BAD_VERDICT, command_line, print_json, say
from .errors import UsageError

if TYPE_CHECKING:
    from .planning import Request

BundleFolder = Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)]
Image = Annotated[Path, typer.Option(help="Image, folder of images, or clip.", show_default=False)]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="Image or clip to write, or folder (filled images are PNG there).", show_default=False
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        help="Mask of the same size, non-zero = hole to fill; or a folder of masks with the images' names "
        "(any suffix); or one mask for all images or frames. For a clip also a clip, or a folder with a mask a frame. "
        "Not for a bundle whose mask is fixed.",
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
        help="Enlarge by this factor instead of filling holes; without --mask. Only for networks trained on lattice "
        "masks: with others, such as the demo networks, bicubic resizing is better.",
        min=2,
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Skip images whose output is already there (folders only).")]
Window = Annotated[
    str,
    typer.Option(
        help="What of an image the network is given at once: auto (the whole image, or windows around groups of holes, "
        "whichever is fewer pixels), whole, or a size in pixels for windows of that height and width."
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        help="Encoder of a clip, as FFmpeg names it; ffv1 (in .mkv) is lossless.  [default: libx264; libvpx-vp9 for "
        ".webm, mpeg4 for .avi]",
        show_default=False,
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        help="Constant rate factor of a clip, 0 is best (x264, x265: to 51; VP9, AV1: to 63); only for those "
        "encoders.  [default: 16]",
        min=0,
        max=63,
        show_default=False,
    ),
]
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
    window: Window = "auto",
    codec: Codec = None,
    quality: Quality = None,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Fill the holes of an image, of a folder of images or of a clip; or enlarge images.

    Known pixels stay bit-identical (PNG, TIFF, BMP, WebP).

    Images are 8-bit RGB, grey or palette, with or without transparency; 16-bit and CMYK ones are refused. Of a
    folder, images that cannot be filled are named, and the others are filled all the same.

    Example: inpaint places --image image.png --mask mask.png -o filled.png

    Exit codes: 0, 1 if images of a folder could not be filled, or 2 with one line that says what is wrong.
    """
    from .clips.source import is_clip
    from .planning import Request  # numpy, Pillow and the backend load only where they are used
    from .window_sizes import parse_choice

    request = Request(image, mask, sketch, output, upscale, resume, parse_choice(window))
    if is_clip(image):
        _fill_clip(bundle, request, device, threads, (codec, quality), as_json)
    elif codec is not None or quality is not None:
        raise UsageError("--codec and --quality are for clips; leave them out")
    else:
        _fill_images(bundle, request, device, threads, as_json)


def _fill_clip(
    bundle: Path,
    request: "Request",
    device: str,
    threads: int,
    encoding: tuple[str | None, int | None],
    as_json: bool,
) -> None:
    from .bundle import Bundle
    from .clips.request import check_request, run_request
    from .clips.target import Encoding

    check_request(Bundle.open(bundle), request)
    done = run_request(bundle, device, threads, request, Encoding(*encoding))
    if as_json:
        print_json(done)


def _fill_images(bundle: Path, request: "Request", device: str, threads: int, as_json: bool) -> None:
    from .bundle import Bundle
    from .filling import fill_jobs
    from .planning import plan_jobs

    jobs = plan_jobs(Bundle.open(bundle), request)
    outcome = fill_jobs(bundle, device, threads, jobs, request)
    if as_json:
        print_json(outcome.to_json())
    if outcome.failed:
        what = "filled" if request.upscale is None else "enlarged"
        say(f"{len(outcome.failed)} of {len(jobs)} images could not be {what}")
        raise typer.Exit(BAD_VERDICT)


main = command_line(inpaint)

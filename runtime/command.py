"""`inpaint DIR --image PATH|FOLDER --mask PATH|FOLDER -o PATH|FOLDER`."""

import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import command_line, print_json, progress, say
from .errors import ImageError, UsageError

if TYPE_CHECKING:
    from .inpainter import Inpainter


class DeviceOption(str, Enum):
    """Where to run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class _Job:
    image: Path
    mask: Path | None
    output: Path


def inpaint(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    image: Annotated[Path, typer.Option(help="Photo, or folder of photos.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Photo to write, or folder (filled photos are PNG there).", show_default=False
        ),
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Mask of the same size, non-zero = hole to fill; or a folder of masks with the photos' names "
            "(any suffix); or one mask for all photos of a folder. Not for a bundle whose mask is fixed.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[DeviceOption, typer.Option(help="Where to run.")] = DeviceOption.AUTO,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 = all.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Fill the holes of a photo, or of a folder of photos. Known pixels stay bit-identical (PNG, TIFF, BMP, WebP).

    Pictures are 8-bit RGB, grey or palette, with or without transparency; 16-bit and CMYK ones are refused. A folder
    is filled in order and stops at the first picture that cannot be.

    Example: inpaint places --image photo.png --mask mask.png -o filled.png

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    from .bundle import Bundle
    from .inpainter import Inpainter  # numpy and the backend load only where they are used

    has_own_mask = Bundle.open(bundle).fixed_mask() is not None
    if has_own_mask and mask is not None:
        raise UsageError(f"{bundle} was exported with --fixed-mask; leave out --mask")
    if not has_own_mask and mask is None:
        raise UsageError("--mask is missing: which pixels are to be filled?")
    jobs = _plan(image, mask, output)
    results = []
    with Inpainter(bundle, device.value, threads) as inpainter, progress() as shown:
        say(f"backend: {inpainter.backend}")
        for number, job in enumerate(jobs):
            shown.start(f"{job.image.name} -> {job.output} ({number + 1} of {len(jobs)})")
            results.append(_fill(inpainter, job))
    if as_json:
        print_json(
            {"backend": inpainter.backend.name, "rejected": dict(inpainter.backend.rejected), "pictures": results}
        )


def _plan(image: Path, mask: Path | None, output: Path) -> list[_Job]:
    """Pair photos, masks and outputs, and refuse what cannot work before anything runs."""
    from .images import check_output_format, list_pictures

    if not image.exists():
        raise ImageError(f"{image}: no such file or folder")
    if mask is not None and not mask.exists():
        raise ImageError(f"{mask}: no such file or folder")
    if not image.is_dir():
        if mask is not None and mask.is_dir():
            raise UsageError(f"--mask {mask} is a folder, but --image {image} is one photo")
        target = output / f"{image.stem}.png" if output.is_dir() else output
        if not target.parent.is_dir():
            raise UsageError(f"--output {target}: the folder {target.parent} does not exist")
        check_output_format(target)
        _check_not_input(target, image, mask)
        return [_Job(image, mask, target)]
    photos = list(list_pictures(image))
    if not photos:
        raise ImageError(f"{image}: holds no pictures")
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file, but --image {image} is a folder")
    stems = [photo.stem for photo in photos]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UsageError(f"{image}: several pictures are called {', '.join(twice)}; their results would have one name")
    masks: dict[str, Path | None] = dict.fromkeys(stems, mask)
    if mask is not None and mask.is_dir():
        masks = {path.stem: path for path in list_pictures(mask)}
    missing = [photo.name for photo in photos if photo.stem not in masks]
    if missing:
        raise ImageError(
            f"{mask}: holds no mask for {', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''}"
        )
    jobs = [_Job(photo, masks[photo.stem], output / f"{photo.stem}.png") for photo in photos]
    for job in jobs:
        _check_not_input(job.output, job.image, job.mask)
    output.mkdir(parents=True, exist_ok=True)
    return jobs


def _check_not_input(target: Path, image: Path, mask: Path | None) -> None:
    if target.resolve() in (image.resolve(), mask.resolve() if mask is not None else None):
        raise UsageError(f"--output {target} would replace an input; choose another name or folder")


def _fill(inpainter: "Inpainter", job: _Job) -> dict[str, object]:
    from .images import read_mask, read_picture, write_picture

    picture = read_picture(job.image)
    hole = read_mask(job.mask) if job.mask is not None else None
    if hole is None and picture.rgb.shape[:2] != inpainter.fixed_size:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (picture.rgb.shape, inpainter.fixed_size or (0, 0)))
        raise ImageError(f"{job.image}: is {have} (upright), but the fixed mask of the bundle is for {need}")
    if hole is not None and hole.shape != picture.rgb.shape[:2]:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (hole.shape, picture.rgb.shape))
        raise ImageError(f"{job.mask}: is {have}, but {job.image} is {need} (upright); make the mask the same size")
    start = time.perf_counter()
    filled = inpainter(picture.rgb, hole)
    seconds = time.perf_counter() - start
    write_picture(job.output, filled, picture)
    if job.output.suffix.lower() in (".jpg", ".jpeg"):
        say(f"{job.output}: JPEG is lossy, known pixels change a little; write PNG to keep them identical")
    return {
        "image": str(job.image),
        "mask": str(job.mask) if job.mask is not None else None,
        "output": str(job.output),
        "hole_ratio": round(float(hole.mean()), 6) if hole is not None else None,
        "seconds": round(seconds, 6),
    }


main = command_line(inpaint)

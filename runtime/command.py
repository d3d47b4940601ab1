"""`inpaint DIR --image PATH|FOLDER --mask PATH|FOLDER -o PATH|FOLDER`."""

import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BAD_VERDICT, command_line, print_json, progress, say
from .errors import ImageError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .images import Picture
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
    sketch: Path | None = None


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
    sketch: Annotated[
        Path | None,
        typer.Option(
            help="Lines that the filled holes shall follow, non-zero = line; or a folder or one for all, as --mask. "
            "For a bundle exported with --sketch.  [default: no lines]",
            show_default=False,
        ),
    ] = None,
    upscale: Annotated[
        int | None,
        typer.Option(
            help="Enlarge the image so many times instead of filling holes in it; without --mask. Not for networks "
            "trained on few lattices or none, as the demo networks: bicubic resizing is closer to the original there.",
            min=2,
            show_default=False,
        ),
    ] = None,
    device: Annotated[DeviceOption, typer.Option(help="Where to run.")] = DeviceOption.AUTO,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 = all.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Fill the holes of a photo or of a folder of photos, or enlarge them.

    Known pixels stay bit-identical (PNG, TIFF, BMP, WebP).

    Pictures are 8-bit RGB, grey or palette, with or without transparency; 16-bit and CMYK ones are refused. A folder
    is filled in order; pictures that cannot be are named, and the others are filled all the same.

    Example: inpaint places --image photo.png --mask mask.png -o filled.png

    Exit codes: 0, 1 if pictures of a folder could not be filled, or 2 with one line that says what is wrong.
    """
    from .bundle import Bundle
    from .inpainter import Inpainter  # numpy and the backend load only where they are used

    opened = Bundle.open(bundle)
    has_own_mask = opened.fixed_mask() is not None
    if has_own_mask and mask is not None:
        raise UsageError(f"{bundle} was exported with --fixed-mask; leave out --mask")
    if upscale is not None:
        _check_can_upscale(bundle, has_own_mask, mask, sketch)
    elif not has_own_mask and mask is None:
        raise UsageError("--mask is missing: which pixels are to be filled?")
    if sketch is not None and "sketch" not in opened.interface.inputs:
        raise UsageError(f"{bundle} takes no sketch; leave out --sketch, or export it with --sketch")
    jobs = _plan(image, mask, sketch, output)
    results, failed = [], []
    with Inpainter(bundle, device.value, threads) as inpainter, progress() as shown:
        say(f"backend: {inpainter.backend}")
        for number, job in enumerate(jobs):
            shown.start(f"{job.image.name} -> {job.output} ({number + 1} of {len(jobs)})")
            try:
                results.append(_fill(inpainter, job) if upscale is None else _enlarge(inpainter, job, upscale))
            except ImageError as error:
                if not image.is_dir():
                    raise
                say(f"left out: {error}")
                failed.append({"image": str(job.image), "error": str(error)})
    if as_json:
        backend = inpainter.backend
        print_json({"backend": backend.name, "rejected": dict(backend.rejected), "pictures": results, "failed": failed})
    if failed:
        say(f"{len(failed)} of {len(jobs)} pictures could not be {'filled' if upscale is None else 'enlarged'}")
        raise typer.Exit(BAD_VERDICT)


def _check_can_upscale(bundle: Path, has_own_mask: bool, mask: Path | None, sketch: Path | None) -> None:
    if has_own_mask:
        raise UsageError(f"{bundle} was exported with --fixed-mask and cannot enlarge; leave out --upscale")
    for name, given in (("mask", mask), ("sketch", sketch)):
        if given is not None:
            raise UsageError(f"--upscale makes the holes itself; leave out --{name}")


def _plan(image: Path, mask: Path | None, sketch: Path | None, output: Path) -> list[_Job]:
    """Pair photos, masks, sketches and outputs, and refuse what cannot work before anything runs."""
    from .images import check_output_format, list_pictures

    if not image.exists():
        raise ImageError(f"{image}: no such file or folder")
    planes = {"mask": mask, "sketch": sketch}
    for path in planes.values():
        if path is not None and not path.exists():
            raise ImageError(f"{path}: no such file or folder")
    if not image.is_dir():
        for name, path in planes.items():
            if path is not None and path.is_dir():
                raise UsageError(f"--{name} {path} is a folder, but --image {image} is one photo")
        target = output / f"{image.stem}.png" if output.is_dir() else output
        if not target.parent.is_dir():
            raise UsageError(f"--output {target}: the folder {target.parent} does not exist")
        check_output_format(target)
        _check_not_input(target, image, mask, sketch)
        return [_Job(image, mask, target, sketch)]
    photos = list(list_pictures(image))
    if not photos:
        raise ImageError(f"{image}: holds no pictures")
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file, but --image {image} is a folder")
    stems = [photo.stem for photo in photos]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UsageError(f"{image}: several pictures are called {', '.join(twice)}; their results would have one name")
    masks, sketches = (_of_each_photo(name, path, photos) for name, path in planes.items())
    jobs = [
        _Job(photo, own_mask, output / f"{photo.stem}.png", own_sketch)
        for photo, own_mask, own_sketch in zip(photos, masks, sketches, strict=True)
    ]
    for job in jobs:
        _check_not_input(job.output, job.image, job.mask, job.sketch)
    output.mkdir(parents=True, exist_ok=True)
    return jobs


def _of_each_photo(name: str, given: Path | None, photos: list[Path]) -> list[Path | None]:
    """The mask or sketch of each photo: the one of its name if `given` is a folder."""
    from .images import list_pictures

    if given is None or not given.is_dir():
        return [given] * len(photos)
    found = {path.stem: path for path in list_pictures(given)}
    missing = [photo.name for photo in photos if photo.stem not in found]
    if missing:
        more = " and others" if len(missing) > 5 else ""
        raise ImageError(f"{given}: holds no {name} for {', '.join(missing[:5])}{more}")
    return [found[photo.stem] for photo in photos]


def _check_not_input(target: Path, *inputs: Path | None) -> None:
    if target.resolve() in [path.resolve() for path in inputs if path is not None]:
        raise UsageError(f"--output {target} would replace an input; choose another name or folder")


def _fill(inpainter: "Inpainter", job: _Job) -> dict[str, object]:
    from .images import read_picture, write_picture

    picture = read_picture(job.image)
    hole = _read_plane("mask", job.mask, job.image, picture)
    line = _read_plane("sketch", job.sketch, job.image, picture)
    if hole is None and picture.rgb.shape[:2] != inpainter.fixed_size:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (picture.rgb.shape, inpainter.fixed_size or (0, 0)))
        raise ImageError(f"{job.image}: is {have} (upright), but the fixed mask of the bundle is for {need}")
    start = time.perf_counter()
    filled = inpainter(picture.rgb, hole, sketch=line)
    seconds = time.perf_counter() - start
    write_picture(job.output, filled, picture)
    if job.output.suffix.lower() in (".jpg", ".jpeg"):
        say(f"{job.output}: JPEG is lossy, known pixels change a little; write PNG to keep them identical")
    return {
        "image": str(job.image),
        "mask": str(job.mask) if job.mask is not None else None,
        "sketch": str(job.sketch) if job.sketch is not None else None,
        "output": str(job.output),
        "hole_ratio": round(float(hole.mean()), 6) if hole is not None else None,
        "seconds": round(seconds, 6),
    }


def _enlarge(inpainter: "Inpainter", job: _Job, factor: int) -> dict[str, object]:
    from .images import check_pixels, enlarge_alpha, read_picture, write_picture

    picture = read_picture(job.image)
    height, width = picture.rgb.shape[:2]
    check_pixels(job.image, factor * width, factor * height)
    start = time.perf_counter()
    enlarged = inpainter.upscale(picture.rgb, factor)
    seconds = time.perf_counter() - start
    write_picture(job.output, enlarged, enlarge_alpha(picture, factor))
    return {
        "image": str(job.image),
        "output": str(job.output),
        "size": [enlarged.shape[1], enlarged.shape[0]],
        "seconds": round(seconds, 6),
    }


def _read_plane(name: str, path: Path | None, image: Path, picture: "Picture") -> "NDArray[np.bool_] | None":
    """A mask or sketch of the picture's size."""
    from .images import read_mask

    if path is None:
        return None
    plane = read_mask(path)
    if plane.shape != picture.rgb.shape[:2]:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (plane.shape, picture.rgb.shape))
        raise ImageError(f"{path}: is {have}, but {image} is {need} (upright); make the {name} the same size")
    return plane


main = command_line(inpaint)

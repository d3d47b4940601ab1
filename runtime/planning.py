"""What `inpaint` is to do: images paired with masks, sketches and outputs, and everything refused that cannot work."""

from dataclasses import dataclass
from pathlib import Path

from .bundle import Bundle
from .errors import ImageError, UsageError
from .window_sizes import Choice, check_choice


@dataclass(frozen=True)
class Job:
    """One image to fill or to enlarge."""

    image: Path
    mask: Path | None
    output: Path
    sketch: Path | None = None


@dataclass(frozen=True)
class Request:
    """What the user asked for: files or folders, the factor to enlarge by (None to fill holes), whether to leave
    images alone whose output is already there, and what of an image the network is given at once."""

    image: Path
    mask: Path | None
    sketch: Path | None
    output: Path
    upscale: int | None = None
    resume: bool = False
    window: Choice = "auto"

    @property
    def planes(self) -> dict[str, Path | None]:
        """Mask and sketch by name."""
        return {"mask": self.mask, "sketch": self.sketch}


def plan_jobs(bundle: Bundle, request: Request) -> list[Job]:
    """Pair images, masks, sketches and outputs, and refuse what cannot work before anything runs.

    Raises:
        ImageError: if files are missing, or no mask or sketch has the name of an image.
        UsageError: if the options do not fit together or do not fit the bundle.
    """
    _check_options(bundle, request)
    for path in (request.image, request.mask, request.sketch):
        if path is not None and not path.exists():
            raise ImageError(f"{path}: no such file or folder")
    jobs = _jobs_of_folder(request) if request.image.is_dir() else [_job_of_file(request)]
    for job in jobs:
        _check_not_input(job.output, job.image, job.mask, job.sketch)
    if request.image.is_dir():
        request.output.mkdir(parents=True, exist_ok=True)
    return jobs


def _check_options(bundle: Bundle, request: Request) -> None:
    check_choice(request.window, bundle.interface)
    has_own_mask = bundle.fixed_mask() is not None
    if has_own_mask and request.mask is not None:
        raise UsageError(f"{bundle.path} was exported with --fixed-mask; leave out --mask")
    if request.upscale is not None:
        if has_own_mask:
            raise UsageError(f"{bundle.path} was exported with --fixed-mask and cannot enlarge; leave out --upscale")
        for name, given in request.planes.items():
            if given is not None:
                raise UsageError(f"--upscale makes the holes itself; leave out --{name}")
    elif not has_own_mask and request.mask is None:
        raise UsageError("--mask is missing: which pixels are holes to fill?")
    if request.sketch is not None and "sketch" not in bundle.interface.inputs:
        raise UsageError(f"{bundle.path} takes no sketch; leave out --sketch, or export it with --sketch")


def _job_of_file(request: Request) -> Job:
    from .images import check_output_format  # Pillow only where it is used

    for name, path in request.planes.items():
        if path is not None and path.is_dir():
            raise UsageError(f"--{name} {path} is a folder, but --image {request.image} is one image")
    target = request.output / f"{request.image.stem}.png" if request.output.is_dir() else request.output
    if not target.parent.is_dir():
        raise UsageError(f"--output {target}: the folder {target.parent} does not exist")
    check_output_format(target)
    return Job(request.image, request.mask, target, request.sketch)


def _jobs_of_folder(request: Request) -> list[Job]:
    from .images import list_images

    images = list(list_images(request.image))
    if not images:
        raise ImageError(f"{request.image}: holds no images")
    if request.output.exists() and not request.output.is_dir():
        raise UsageError(f"--output {request.output} is a file, but --image {request.image} is a folder")
    stems = [image.stem for image in images]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        names = ", ".join(twice)
        raise UsageError(f"{request.image}: several images are called {names}; their results would have one name")
    masks, sketches = (_of_each_image(name, path, images) for name, path in request.planes.items())
    return [
        Job(image, own_mask, request.output / f"{image.stem}.png", own_sketch)
        for image, own_mask, own_sketch in zip(images, masks, sketches, strict=True)
    ]


def _of_each_image(name: str, given: Path | None, images: list[Path]) -> list[Path | None]:
    """The mask or sketch of each image: the one of its name if `given` is a folder."""
    from .images import list_images

    if given is None or not given.is_dir():
        return [given] * len(images)
    found = {path.stem: path for path in list_images(given)}
    missing = [image.name for image in images if image.stem not in found]
    if missing:
        more = " and others" if len(missing) > 5 else ""
        raise ImageError(f"{given}: holds no {name} for {', '.join(missing[:5])}{more}")
    return [found[image.stem] for image in images]


def _check_not_input(target: Path, *inputs: Path | None) -> None:
    if target.resolve() in [path.resolve() for path in inputs if path is not None]:
        raise UsageError(f"--output {target} would replace an input; choose another name or folder")

"""Fills or enlarges images from files into files; several are decoded, filled and encoded at the same time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .backends.choice import BackendChoice
from .console import progress, say
from .errors import ImageError
from .images import DecodedImage, check_pixels, enlarge_alpha, read_image, read_mask, write_image
from .inpainter import Inpainter
from .planning import Job, Request
from .streaming import Workers, map_in_order

WORKERS = 3
"""One image is decoded and one encoded while a third is filled."""


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs of one command.

    Args:
        backend: that ran, and why not the ones before it.
        results: an entry for each image that was filled or enlarged.
        failed: an entry for each image that could not be.
        skipped: number of images whose output was already there.
        seconds: from opening the bundle to the last file.
    """

    backend: BackendChoice
    results: list[dict[str, object]]
    failed: list[dict[str, object]]
    skipped: int
    seconds: float

    def to_json(self) -> dict[str, object]:
        """As `inpaint --json` prints it."""
        return {
            "backend": self.backend.name,
            "rejected": dict(self.backend.rejected),
            "pictures": self.results,
            "failed": self.failed,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
        }

    def summary(self) -> str:
        """One line: how many images, how fast, and what was left out."""
        count = len(self.results)
        told = f"{count} images in {self.seconds:.1f} s ({count / self.seconds:.2f} a second)"
        if self.skipped:
            told += f"; {self.skipped} were already there"
        return told + (f"; {len(self.failed)} left out" if self.failed else "")


def fill_jobs(bundle: Path, device: str, threads: int, jobs: Sequence[Job], request: Request) -> Outcome:
    """Do all jobs with one `Inpainter`: images are decoded and encoded while others are filled.

    No more than `WORKERS` + 1 images are in memory. An image of a folder that cannot be filled is named and left out.

    Raises:
        ImageError: if the only image cannot be read, filled or written.
        BackendError: if no backend can run the bundle here.
    """
    results: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    left = [job for job in jobs if not (request.resume and job.output.exists())]
    start = time.perf_counter()
    with Inpainter(bundle, device, threads, request.window) as inpainter, progress() as shown:
        say(f"backend: {inpainter.backend}")
        shown.start(f"{left[0].image.name} -> {left[0].output}" if len(jobs) == 1 and left else f"{len(left)} images")
        for number, (job, done) in enumerate(zip(left, _do_in_order(inpainter, left, request), strict=True), start=1):
            if isinstance(done, ImageError):
                if not request.image.is_dir():
                    raise done
                say(f"left out: {done}")
                failed.append({"image": str(job.image), "error": str(done)})
            else:
                results.append(done)
            shown.update(number / len(left))
            if _is_reported(number, len(left)):
                shown.line(f"{number} of {len(left)}")
    outcome = Outcome(inpainter.backend, results, failed, len(jobs) - len(left), time.perf_counter() - start)
    if request.image.is_dir():
        say(outcome.summary())
    return outcome


def _do_in_order(
    inpainter: Inpainter, jobs: Sequence[Job], request: Request
) -> Iterator[dict[str, object] | ImageError]:
    """The entry of each job, or why it could not be done, in the order of the jobs."""

    def do(job: Job) -> dict[str, object] | ImageError:
        try:
            return fill_job(inpainter, job) if request.upscale is None else enlarge_job(inpainter, job, request.upscale)
        except ImageError as error:
            return error

    workers = Workers(WORKERS)
    try:
        yield from map_in_order(lambda job: workers.submit(do, job), jobs, WORKERS)
    finally:
        workers.close()


def _is_reported(number: int, count: int) -> bool:
    """Whether a line tells that `number` of `count` images are done: at every twentieth part."""
    return count > 1 and number * 20 // count > (number - 1) * 20 // count


def fill_job(inpainter: Inpainter, job: Job) -> dict[str, object]:
    """Fill the holes of one image; the entry for `Outcome`."""
    decoded = read_image(job.image)
    hole = _read_plane("mask", job.mask, job.image, decoded)
    line = _read_plane("sketch", job.sketch, job.image, decoded)
    if hole is None and decoded.rgb.shape[:2] != inpainter.fixed_size:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (decoded.rgb.shape, inpainter.fixed_size or (0, 0)))
        raise ImageError(f"{job.image}: is {have} (upright), but the fixed mask of the bundle is for {need}")
    start = time.perf_counter()
    filled = inpainter(decoded.rgb, hole, sketch=line)
    seconds = time.perf_counter() - start
    write_image(job.output, filled, decoded)
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


def enlarge_job(inpainter: Inpainter, job: Job, factor: int) -> dict[str, object]:
    """Enlarge one image; the entry for `Outcome`."""
    decoded = read_image(job.image)
    height, width = decoded.rgb.shape[:2]
    check_pixels(job.image, factor * width, factor * height)
    start = time.perf_counter()
    enlarged = inpainter.upscale(decoded.rgb, factor)
    seconds = time.perf_counter() - start
    write_image(job.output, enlarged, enlarge_alpha(decoded, factor))
    return {
        "image": str(job.image),
        "output": str(job.output),
        "size": [enlarged.shape[1], enlarged.shape[0]],
        "seconds": round(seconds, 6),
    }


def _read_plane(name: str, path: Path | None, image: Path, decoded: DecodedImage) -> NDArray[np.bool_] | None:
    """A mask or sketch of the image's size."""
    if path is None:
        return None
    plane = read_mask(path)
    if plane.shape != decoded.rgb.shape[:2]:
        have, need = (f"{shape[1]}x{shape[0]}" for shape in (plane.shape, decoded.rgb.shape))
        raise ImageError(f"{path}: is {have}, but {image} is {need} (upright); make the {name} the same size")
    return plane

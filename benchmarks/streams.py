"""A folder of images, filled by `inpaint` as it is against one image after the other: `python -m benchmarks.streams`.

Images are JPEGs of one megapixel with small holes, as scratches are. Both ways take turns, and write the same files.
"""

import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.console import say
from inpaintrt.runtime.filling import fill_job, fill_jobs
from inpaintrt.runtime.planning import Job, Request, plan_jobs
from inpaintrt.validation.cases.images import synthetic_image

RESULTS = Path(__file__).parent / "results"
SIDE = 1024
HOLES = 6
"""Square holes of 24 pixels in an image."""


def make_folder(folder: Path, count: int) -> Request:
    """Images and masks in `folder`; what `inpaint` would be asked."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(count):
        hole = np.zeros((SIDE, SIDE), dtype=np.uint8)
        for top, left in rng.integers(0, SIDE - 24, (HOLES, 2)):
            hole[top : top + 24, left : left + 24] = 255
        image = Image.fromarray(synthetic_image(SIDE, SIDE, np.random.default_rng(number)))
        image.save(folder / "images" / f"{number:04}.jpg", quality=90)
        Image.fromarray(hole).save(folder / "masks" / f"{number:04}.png")
    return Request(folder / "images", folder / "masks", None, folder / "out")


def one_after_the_other(bundle: Path, jobs: list[Job]) -> None:
    """Decode, fill and encode an image before the next one."""
    with Inpainter(bundle, "cpu") as inpainter:
        for job in jobs:
            fill_job(inpainter, job)


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.")],
    count: Annotated[int, typer.Option(help="Images.")] = 24,
    rounds: Annotated[int, typer.Option(help="Rounds, in which both take turns.")] = 5,
) -> None:
    """Measure both ways and write benchmarks/results/streams.json."""
    seconds: dict[str, list[float]] = {"one after the other": [], "inpaint": []}
    with tempfile.TemporaryDirectory() as name:
        request = make_folder(Path(name), count)
        jobs = plan_jobs(Bundle.open(bundle), request)
        ways: dict[str, Callable[[], object]] = {
            "one after the other": lambda: one_after_the_other(bundle, jobs),
            "inpaint": lambda: fill_jobs(bundle, "cpu", 0, jobs, replace(request, resume=False)),
        }
        for _ in range(rounds):
            for title, way in ways.items():
                start = time.perf_counter()
                way()
                seconds[title].append(time.perf_counter() - start)
    rates = {title: count / median(times) for title, times in seconds.items()}
    found = {
        "command": f"python -m benchmarks.streams {bundle} --count {count} --rounds {rounds}",
        "machine": platform.machine(),
        "images": {"count": count, "side": SIDE, "holes": HOLES},
        "images_per_second": {title: round(rate, 3) for title, rate in rates.items()},
        "ratio": round(rates["inpaint"] / rates["one after the other"], 3),
    }
    (RESULTS / "streams.json").write_text(json.dumps(found, indent=2) + "\n")
    say(json.dumps(found, indent=2))


if __name__ == "__main__":
    typer.run(main)

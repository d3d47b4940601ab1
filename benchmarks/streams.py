"""A folder, a clip and a large image, filled on the CPU: `python -m benchmarks.streams BUNDLE`.

The folder holds JPEGs of one megapixel with small holes, as scratches are; `inpaint` and one image after the other
take turns, and write the same files. The clip has a logo that does not move (needs PyAV). The large image has 12
megapixels, 1 % of which are three holes.
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
from inpaintrt.runtime.clips.filling import fill_clip
from inpaintrt.runtime.console import say
from inpaintrt.runtime.filling import fill_job, fill_jobs
from inpaintrt.runtime.planning import Job, Request, plan_jobs
from inpaintrt.runtime.window_sizes import Sizes
from inpaintrt.runtime.windows import plan_windows
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


def make_clip(folder: Path, count: int) -> tuple[Path, Path]:
    """A clip of 640x360 and the mask of a logo in its corner."""
    import av

    hole = np.zeros((360, 640), dtype=np.uint8)
    hole[20:60, 500:620] = 255
    Image.fromarray(hole).save(folder / "logo.png")
    image = synthetic_image(360, 640, np.random.default_rng(0))
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 2 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return folder / "clip.mp4", folder / "logo.png"


def measure_clip(inpaint: Inpainter, folder: Path, count: int) -> dict[str, object]:
    """Frames a second, decoding and encoding (libx264) included."""
    clip, logo = make_clip(folder, count)
    done = fill_clip(inpaint, clip, logo, folder / "filled.mp4")
    return {"size": "640x360", "frames": done.frames, "frames_per_second": round(done.frames / done.seconds, 2)}


def measure_large_image(inpaint: Inpainter) -> dict[str, object]:
    """Seconds for the large image, and how many pixels the network was given for each pixel of the image."""
    hole = np.zeros((3000, 4000), dtype=np.bool_)
    for top, left in ((300, 400), (1400, 3300), (2500, 1700)):
        hole[top : top + 200, left : left + 200] = True
    image = synthetic_image(3000, 4000, np.random.default_rng(0))
    interface = inpaint.bundle.interface
    sizes = Sizes.of((3000, 4000), interface, "auto")
    windows = [window for part in plan_windows(hole, interface).rounds for window in part]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        inpaint(image, hole)
        seconds.append(time.perf_counter() - start)
    return {
        "size": "4000x3000",
        "windows": len(windows),
        "seconds": round(median(seconds), 3),
        "share_of_pixels": round(sum(sizes.cost(window.area) for window in windows) / hole.size, 4),
    }


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
    """Measure and write benchmarks/results/streams.json."""
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
        with Inpainter(bundle, "cpu") as inpaint:
            clip = measure_clip(inpaint, Path(name), 2 * count)
            large = measure_large_image(inpaint)
    rates = {title: count / median(times) for title, times in seconds.items()}
    found = {
        "command": f"python -m benchmarks.streams {bundle} --count {count} --rounds {rounds}",
        "machine": platform.machine(),
        "images": {"count": count, "side": SIDE, "holes": HOLES},
        "images_per_second": {title: round(rate, 3) for title, rate in rates.items()},
        "ratio": round(rates["inpaint"] / rates["one after the other"], 3),
        "clip": clip,
        "large_image": large,
    }
    (RESULTS / "streams.json").write_text(json.dumps(found, indent=2) + "\n")
    say(json.dumps(found, indent=2))


if __name__ == "__main__":
    typer.run(main)

"""Images per second through each way of serving, on this machine: the table of docs/serving.md.

    make bench-serving

All fill the same images, one network on one CPU thread, in turns, of which the median counts. Of the page, its answers
are measured, without browser and network; Triton with its own client, in its own environment; Ray from the first result
to the last, because its start takes seconds whatever the number.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.images import DecodedImage, decode_image, decode_mask, encode_mask, encode_png

RESULT = Path(__file__).parent / "results" / "serving.json"
TRITON = Path("build/triton-env/bin/python")
CLIENTS = 4


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways: dict[str, Callable[[Path, Path], float]] = {
        "`Inpainter`, files decoded and encoded in one thread": one_process,
        f"`inpaint-page`, {CLIENTS} visitors": page,
        f"`export-triton`, {CLIENTS} clients": triton,
        "`inpaint-batch`, 1 worker": lambda bundle, folder: batch(bundle, folder, 1),
        "`inpaint-batch`, 2 workers": lambda bundle, folder: batch(bundle, folder, 2),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, measure in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                make_images(Path(folder), options.images, options.size)
                times[name].append(measure(options.bundle, Path(folder)))
    rows = {name: round(options.images / median(found), 2) for name, found in times.items()}
    report = {"images_per_second": rows, "images": options.images, "size": options.size, "rounds": options.rounds,
              "cpus": os.cpu_count(), "machine": platform.platform(), "load": os.getloadavg()[0]}  # fmt: skip
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    print("\n".join(f"| {name} | {rate:g} |" for name, rate in rows.items()))  # noqa: T201


def make_images(folder: Path, count: int, size: int) -> None:
    """Blocks of noise with a rectangle of 10 % hole, as files."""
    rng = np.random.default_rng(0)
    hole = np.zeros((size, size), dtype=np.bool_)
    hole[size // 3 : size // 3 + size * 32 // 100, size // 3 : size // 3 + size * 32 // 100] = True
    mask = encode_mask(hole)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(count):
        coarse = rng.integers(0, 256, (size // 16, size // 16, 3), dtype=np.uint8)
        image = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
        content = encode_png(image, DecodedImage(image, None, False, {}))
        (folder / f"images/{number:05}.png").write_bytes(content)
        (folder / f"masks/{number:05}.png").write_bytes(mask)


def one_process(bundle: Path, folder: Path) -> float:
    with Inpainter(bundle, "cpu", 1) as inpaint:
        start = time.perf_counter()
        for path in sorted((folder / "images").iterdir()):
            original = decode_image(path.read_bytes(), "image")
            mask = decode_mask((folder / "masks" / path.name).read_bytes(), "mask")
            encode_png(inpaint(original.rgb, mask), original)
        return time.perf_counter() - start


def page(bundle: Path, folder: Path) -> float:
    """The page's own answers, from as many threads as visitors; without the browser and the network."""
    from inpaintrt.serving.page import Limits
    from inpaintrt.serving.page.requests import PageRequests

    with Inpainter(bundle, "cpu", 1) as inpaint:
        requests = PageRequests({"places": inpaint}, folder, Limits())

        def visit(image: Path) -> None:
            asked = {"image": str(image), "mask": str(folder / "masks" / image.name)}
            opened = requests.open_image({"path": asked["image"], "name": "a.png"})
            requests.fill({**asked, "name": opened["name"], "bundle": "places"})

        start = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(visit, sorted((folder / "images").iterdir())))
        return time.perf_counter() - start


def triton(bundle: Path, folder: Path) -> float:
    """A server of its own, in its own environment, which has Triton's client too."""
    command = [str(TRITON), "-m", "tests.serving.triton.load", str(bundle), str(folder), str(CLIENTS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def batch(bundle: Path, folder: Path, workers: int) -> float:
    """Seconds for all images, by when results were written: Ray's start takes seconds, whatever the number."""
    from inpaintrt.serving.batch import BatchOptions, run_batch

    output = folder / "out"
    run_batch(bundle, str(folder / "images"), str(folder / "masks"), str(output), BatchOptions(workers, device="cpu"))
    times = sorted(path.stat().st_mtime_ns for path in (output / "filled").iterdir())
    return (times[-1] - times[0]) * 1e-9 * len(times) / (len(times) - 1)


if __name__ == "__main__":
    main()

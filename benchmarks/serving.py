"""Images per second through each way of serving, on this machine: the table of docs/serving.md.

    python -m benchmarks.serving --bundle DIR [--images 64] [--size 256] [--triton HOST:PORT]

All fill the same images, one network on one CPU thread. Of the page, its answers are measured, without browser and
network; Triton where a server with the model `places` runs at `--triton`, with its own client; Ray from the first
images done to the last, because its start takes seconds whatever the number.
"""

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.images import DecodedImage, decode_image, decode_mask, encode_mask, encode_png

RESULT = Path(__file__).parent / "results" / "serving.json"
CLIENTS = 4


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--triton", help="HOST:PORT of a server's HTTP endpoint")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, masks = make_images(Path(folder), options.images, options.size)
        ways: dict[str, Callable[[], float]] = {
            "Inpainter, files decoded and encoded in one thread": lambda: one_process(options.bundle, images, masks),
            f"page, {CLIENTS} visitors": lambda: page(options.bundle, images, masks),
            "inpaint-batch, 1 worker": lambda: batch(options.bundle, Path(folder), 1),
            "inpaint-batch, 2 workers": lambda: batch(options.bundle, Path(folder), 2),
        }
        if options.triton:
            ways[f"Triton, {CLIENTS} clients"] = lambda: triton(options.triton, images, masks)
        rows = {name: round(options.images / measure(), 2) for name, measure in ways.items()}
    report = {"images_per_second": rows, "images": options.images, "size": options.size, "cpus": os.cpu_count(),
              "machine": platform.platform(), "load": os.getloadavg()[0]}  # fmt: skip
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    print("\n".join(f"| {name} | {rate:g} |" for name, rate in rows.items()))  # noqa: T201


def make_images(folder: Path, count: int, size: int) -> tuple[list[bytes], list[bytes]]:
    """Noise with a rectangle of 10 % hole, as files and as their content."""
    rng = np.random.default_rng(0)
    hole = np.zeros((size, size), dtype=np.bool_)
    hole[size // 3 : size // 3 + size * 32 // 100, size // 3 : size // 3 + size * 32 // 100] = True
    images = []
    for _ in range(count):
        smooth = np.kron(
            rng.integers(0, 256, (size // 16, size // 16, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8)
        )
        images.append(encode_png(smooth, DecodedImage(smooth, None, False, {})))
    masks = [encode_mask(hole)] * count
    for kind, contents in (("images", images), ("masks", masks)):
        (folder / kind).mkdir()
        for number, content in enumerate(contents):
            (folder / kind / f"{number:05}.png").write_bytes(content)
    return images, masks


def one_process(bundle: Path, images: list[bytes], masks: list[bytes]) -> float:
    with Inpainter(bundle, "cpu", 1) as inpaint:
        start = time.perf_counter()
        for content, mask in zip(images, masks, strict=True):
            original = decode_image(content, "image")
            encode_png(inpaint(original.rgb, decode_mask(mask, "mask")), original)
        return time.perf_counter() - start


def page(bundle: Path, images: list[bytes], masks: list[bytes]) -> float:
    """The page's own answers, from as many threads as visitors; without the browser and the network."""
    from inpaintrt.serving.page import Limits
    from inpaintrt.serving.page.requests import PageRequests

    with tempfile.TemporaryDirectory() as folder, Inpainter(bundle, "cpu", 1) as inpaint:
        requests = PageRequests({"places": inpaint}, Path(folder), Limits())

        def visit(number: int) -> None:
            for name, content in (("image", images[number]), ("mask", masks[number])):
                Path(folder, f"{name}{number}.png").write_bytes(content)
            asked = {name: f"{folder}/{name}{number}.png" for name in ("image", "mask")}
            opened = requests.open_image({"path": asked["image"], "name": "a.png"})
            requests.fill({**asked, "name": opened["name"], "bundle": "places"})

        return in_threads(visit, len(images))


def triton(address: str, images: list[bytes], masks: list[bytes]) -> float:
    from tritonclient import http

    local = threading.local()

    def ask(number: int) -> None:
        if not hasattr(local, "client"):
            local.client = http.InferenceServerClient(address)
        tensors = []
        for name, content in (("image_file", images[number]), ("mask_file", masks[number])):
            tensors.append(http.InferInput(name, [1, 1], "BYTES"))
            tensors[-1].set_data_from_numpy(np.array([[content]], dtype=np.object_))
        local.client.infer("places", tensors, outputs=[http.InferRequestedOutput("filled_file")])

    return in_threads(ask, len(images))


def in_threads(work: Callable[[int], None], count: int) -> float:
    from concurrent.futures import ThreadPoolExecutor

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(count)))
    return time.perf_counter() - start


def batch(bundle: Path, folder: Path, workers: int) -> float:
    """Seconds for all images, from the first ones done to the last: Ray's start takes seconds, whatever the number."""
    from inpaintrt.serving.batch import BatchOptions, run_batch

    times: list[tuple[float, int, int]] = []
    run_batch(
        bundle, str(folder / "images"), str(folder / "masks"), str(folder / f"out{workers}"),
        BatchOptions(workers=workers, device="cpu"),
        lambda done, total: times.append((time.perf_counter(), done, total)),
    )  # fmt: skip
    (first, done_first, total), (last, done_last, _) = times[1], times[-1]
    if done_last == done_first:
        raise SystemExit("too few --images to measure Ray with; give at least 64")
    return (last - first) * total / (done_last - done_first)


if __name__ == "__main__":
    main()

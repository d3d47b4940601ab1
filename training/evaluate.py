"""How good a checkpoint fills photographs it has never seen, against simple methods.

::

    python -m inpaintrt.training.evaluate CHECKPOINT [--photos FOLDER] [--size N] [--masks N]

Hole PSNR (dB, over hole pixels alone) for each hole-ratio bucket of Liu et al. (ECCV 2018), section 4, averaged over
photographs and masks. Without `--photos`, on four photographs that come with scikit-image and that no training crop was
taken from: astronaut (NASA, public domain), chelsea, coffee and rocket (all CC0).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import skimage.data
import torch
import typer
from numpy.typing import NDArray

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.export.deployed import ImageNetwork, TensorNetwork
from inpaintrt.runtime.console import command_line, print_json, say
from inpaintrt.runtime.images import read_picture
from inpaintrt.validation.masks import HOLE_RATIO_BUCKETS, BoolArray, irregular_mask
from inpaintrt.validation.metrics import psnr
from inpaintrt.validation.pictures import find_pictures, fit

UInt8Array = NDArray[np.uint8]
Method = Callable[[UInt8Array, BoolArray], UInt8Array]

TELEA_RADIUS = 3.0
"""Pixels around a hole pixel that OpenCV's method looks at, the value of its own examples."""


def fill_with_mean(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """Holes take the mean colour of the known pixels. Arrays [H,W,3] and [H,W]."""
    filled = np.array(image)
    filled[hole] = image[~hole].mean(axis=0).round().astype(np.uint8)
    return filled


def fill_with_telea(image: UInt8Array, hole: BoolArray) -> UInt8Array:
    """OpenCV's inpainting by Telea (2004). Arrays [H,W,3] and [H,W]."""
    filled = cv2.inpaint(
        np.where(hole[..., None], np.uint8(0), image), hole.astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA
    )
    return np.asarray(filled, dtype=np.uint8)


def network_method(checkpoint: Path) -> Method:
    """The composite of a checkpoint's network, in PyTorch and FP32."""
    loaded = load_checkpoint(checkpoint)
    network = ImageNetwork(TensorNetwork(loaded.network, loaded.interface))

    def fill(image: UInt8Array, hole: BoolArray) -> UInt8Array:
        with torch.no_grad():
            composite = network(torch.from_numpy(image)[None], torch.from_numpy(hole.astype(np.uint8))[None])
        return np.asarray(composite[0], dtype=np.uint8)

    return fill


def hole_psnr(filled: UInt8Array, original: UInt8Array, hole: BoolArray) -> float:
    """PSNR in dB over the hole pixels alone."""
    difference = filled[hole].astype(np.float64) - original[hole]
    return psnr(float((difference**2).sum()), difference.size)


def held_out_photos() -> dict[str, UInt8Array]:
    """The four photographs of scikit-image that are kept for evaluation, RGB [H,W,3]."""
    return {name: np.array(getattr(skimage.data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")}


def evaluate(
    methods: dict[str, Method], photos: Sequence[UInt8Array], size: int, masks: int, seed: int
) -> list[dict[str, Any]]:
    """Mean hole PSNR of each method, and how often the last one is best (0..1), one row for each bucket.

    Args:
        methods: by name.
        photos: RGB [H,W,3]; the middle square of each is reduced to `size`.
        size: side in pixels.
        masks: for each photo and bucket, half of them without holes at the border.
        seed: of the masks.
    """
    rows = []
    for low, high in HOLE_RATIO_BUCKETS:
        rng = np.random.default_rng([seed, size, round(100 * low)])
        values: dict[str, list[float]] = {name: [] for name in methods}
        for photo in photos:
            original = fit(photo, size, size)
            for number in range(masks):
                hole = irregular_mask(size, size, (low, high), rng, border=number % 2 == 0)
                for name, method in methods.items():
                    values[name].append(hole_psnr(method(original, hole), original, hole))
        best = np.argmax(np.array(list(values.values())), axis=0)
        rows.append(
            {"holes": f"{100 * low:.0f}-{100 * high:.0f} %"}
            | {name: float(np.mean(each)) for name, each in values.items()}
            | {f"{name} is best": float(np.mean(best == list(methods).index(name))) for name in list(methods)[-1:]}
        )
    return rows


def command(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a known family.", show_default=False)],
    photos: Annotated[
        Path | None, typer.Option(help="Photo or folder.  [default: four from scikit-image]", show_default=False)
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the square photos in pixels.", min=16)] = 256,
    masks: Annotated[int, typer.Option(help="Masks for each photo and bucket.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Of the masks.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Hole PSNR of a checkpoint on photographs, against mean filling and OpenCV's Telea."""
    pictures = [read_picture(path).rgb for path in find_pictures(photos)] or list(held_out_photos().values())
    methods = {
        "mean": fill_with_mean,
        "OpenCV Telea": fill_with_telea,
        "network": network_method(checkpoint),
    }
    rows = evaluate(methods, pictures, size, masks, seed)
    say(f"hole PSNR in dB, {len(pictures)} photos of {size}x{size}, {masks} masks each, seed {seed}")
    say("| " + " | ".join(rows[0]) + " |")
    say("|" + "---|" * len(rows[0]))
    for row in rows:
        cells = [
            f"{100 * value:.0f} %" if "best" in name else f"{value:.2f}"
            for name, value in row.items()
            if name != "holes"
        ]
        say(f"| {row['holes']} | " + " | ".join(cells) + " |")
    if as_json:
        print_json(rows)


if __name__ == "__main__":
    command_line(command)()

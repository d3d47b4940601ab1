"""Holes wider than a window: at a smaller scale, as `inpaint` fills them, against patch by patch.

::

    python -m benchmarks.wide_holes BUNDLE

On the four held-out images, scaled to 2 to 8 times the network's size, with a round hole of three fifths of the image's
side. Writes benchmarks/results/wide_holes.json and docs/wide-holes.jpg.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.console import say
from inpaintrt.training.held_out import held_out_images
from inpaintrt.validation.cases.images import fit

ROOT = Path(__file__).parents[1]
NEAR = 8
"""Pixels on either side of the rim that count as near."""

UInt8Array = NDArray[np.uint8]
Hole = NDArray[np.bool_]


def round_hole(side: int, share: float = 0.6) -> Hole:
    """A hole in the middle of a square image, `share` of its side wide."""
    place = np.arange(side) - (side - 1) / 2
    hole: Hole = place[:, None] ** 2 + place**2 < (share * side / 2) ** 2
    return hole


def seam(image: UInt8Array, hole: Hole) -> float:
    """How strong the rim of a hole is: mean step across it, over the mean step between known pixels near it."""
    across, nearby = [], []
    near = hole.copy()
    for _ in range(NEAR):
        framed = np.pad(near, 1)
        near = framed[:-2, 1:-1] | framed[2:, 1:-1] | framed[1:-1, :-2] | framed[1:-1, 2:] | near
    known = near & ~hole
    for values, inside, outside in (
        (image.astype(int), hole, known),
        (image.astype(int).transpose(1, 0, 2), hole.T, known.T),
    ):
        step = np.abs(np.diff(values, axis=0)).mean(axis=-1)
        across.append(step[inside[1:] != inside[:-1]])
        nearby.append(step[outside[1:] & outside[:-1]])
    return float(np.concatenate(across).mean() / max(np.concatenate(nearby).mean(), 1e-6))


def patch_by_patch(inpaint: Inpainter, image: UInt8Array, hole: Hole, side: int) -> UInt8Array:
    """Windows of the network's size over a wide hole; each fills half its height and width."""
    filled: UInt8Array = image.copy()
    unknown, step = hole.copy(), side // 2
    for top in range(0, hole.shape[0], step):
        for left in range(0, hole.shape[1], step):
            core = slice(top, top + step), slice(left, left + step)
            if not unknown[core].any():
                continue
            starts = (
                min(max(at - side // 4, 0), max(size - side, 0))
                for at, size in zip((top, left), hole.shape, strict=True)
            )
            area = tuple(slice(start, start + side) for start in starts)
            patch = filled.copy()
            patch[area] = inpaint(filled[area], unknown[area])
            filled[core] = patch[core]
            unknown[core] = False
    return filled


def psnr(filled: UInt8Array, original: UInt8Array, hole: Hole) -> float:
    """Of the hole, in dB."""
    error = (filled.astype(float) - original)[hole]
    return float(10 * np.log10(255**2 / (error**2).mean()))


def mean_of(rows: list[dict[str, Any]], times: int, way: str) -> dict[str, Any]:
    """The means over the images."""
    chosen = [row for row in rows if (row["times"], row["way"]) == (times, way)]
    keys = ("psnr_hole", "seam", "seam_of_original")
    return {"times": times, "way": way} | {key: round(float(np.mean([row[key] for row in chosen])), 2) for key in keys}


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle of one size, made by export-onnx --size N.")],
    times: Annotated[str, typer.Option(help="Sides of the images, as multiples of the network's.")] = "2,4,8",
) -> None:
    """Measure both ways and write the results and a contact sheet."""
    sizes = [int(word) for word in times.split(",")]
    rows: list[dict[str, Any]] = []
    sheet = []
    with Inpainter(bundle, "cpu") as inpaint:
        side = inpaint.bundle.interface.profile.height[2]
        for size in sizes:
            hole = round_hole(size * side)
            for name, original in held_out_images().items():
                image = fit(original, size * side, size * side)
                ways = {
                    "smaller scale": inpaint(image, hole),
                    "patch by patch": patch_by_patch(inpaint, image, hole, side),
                }
                for way, filled in ways.items():
                    row = {
                        "image": name,
                        "times": size,
                        "way": way,
                        "psnr_hole": psnr(filled, image, hole),
                    }
                    rows.append(row | {"seam": seam(filled, hole), "seam_of_original": seam(image, hole)})
                if size == sizes[min(1, len(sizes) - 1)]:
                    shown = [np.where(hole[..., None], 255, image).astype(np.uint8), *ways.values(), image]
                    sheet.append(np.concatenate([fit(each, 256, 256) for each in shown], axis=1))
    found = {
        "command": f"python -m benchmarks.wide_holes {bundle} --times {times}",
        "network_size": side,
        "means": [mean_of(rows, size, way) for size in sizes for way in ("smaller scale", "patch by patch")],
    }
    (ROOT / "benchmarks" / "results" / "wide_holes.json").write_text(json.dumps(found, indent=2) + "\n")
    Image.fromarray(np.concatenate(sheet)).save(ROOT / "docs" / "wide-holes.jpg", quality=80)
    say(json.dumps(found, indent=2))


if __name__ == "__main__":
    typer.run(main)

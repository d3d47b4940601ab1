"""How well checkpoints fill images they have never seen, against simple methods.

::

    python -m inpaintrt.training.evaluate CHECKPOINT... [--images FOLDER] [--size N] [--masks N] [--upscale 2,4]

Error, PSNR and SSIM for each hole-ratio bucket of Liu et al. (ECCV 2018), section 4, over the hole pixels only and over
the image, averaged over images and masks. Without `--images`, on four photographs that come with scikit-image and that
no training crop was taken from: astronaut (NASA, public domain), chelsea, coffee and rocket (all CC0).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from inpaintrt.runtime.console import command_line, print_json, progress, say
from inpaintrt.runtime.images import read_image
from inpaintrt.runtime.upscale import place_on_grid, to_pixel_centres
from inpaintrt.validation.cases.images import find_images, fit
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, BoolArray, irregular_mask
from inpaintrt.validation.judging.metrics import fidelity

from .held_out import held_out_images
from .inception import Classifier, inception_classifier, inception_score
from .methods import BASELINES, Method, UInt8Array, checkpoint_method, enlarge_bicubic, reduce_bicubic

MEASURES = {
    "psnr_hole": ("PSNR of the holes in dB", ".2f"),
    "ssim_hole": ("SSIM of the holes", ".3f"),
    "l1_hole": ("mean absolute error of the holes in % of the range", ".2f"),
    "psnr_image": ("PSNR of the image in dB", ".2f"),
    "ssim_image": ("SSIM of the image", ".3f"),
    "l1_image": ("mean absolute error of the image in % of the range", ".2f"),
}


def measure(filled: UInt8Array, original: UInt8Array, hole: BoolArray) -> dict[str, float]:
    """The `MEASURES` of one filled image."""
    error = np.abs(filled.astype(np.int64) - original) * (100 / 255)
    found = {"l1_hole": float(error[hole].mean()), "l1_image": float(error.mean())}
    return found | fidelity(filled, original, hole)


def evaluate(
    methods: dict[str, Method],
    images: Sequence[UInt8Array],
    size: int,
    masks: int,
    seed: int,
    keep_images: bool = False,
) -> list[dict[str, Any]]:
    """What each method reaches, one row for each bucket.

    Args:
        methods: by name.
        images: RGB [H,W,3]; the middle square of each is reduced to `size`.
        size: side in pixels.
        masks: for each image and bucket, half of them without holes at the border.
        seed: of the masks.
        keep_images: whether the filled images are returned as well.

    Returns:
        For each bucket `holes`, its name; `methods`, for each method the mean of each of the `MEASURES`; `best`, for
        each method how often (0..1) its hole PSNR is the best; and `images`, for each method what it made, if they
        are kept.
    """
    rows = []
    with progress() as shown:
        for low, high in HOLE_RATIO_BUCKETS:
            name = f"{100 * low:.0f}-{100 * high:.0f} %"
            rng = np.random.default_rng([seed, size, round(100 * low)])
            found: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
            kept: dict[str, list[UInt8Array]] = {method: [] for method in methods}
            for number, image in enumerate(images):
                shown.start(f"holes of {name}, image {number + 1} of {len(images)}")
                original = fit(image, size, size)
                for mask in range(masks):
                    hole = irregular_mask(size, size, (low, high), rng, border=mask % 2 == 0)
                    for method, fill in methods.items():
                        filled = fill(original, hole)
                        found[method].append(measure(filled, original, hole))
                        if keep_images:
                            kept[method].append(filled)
            best = np.argmax([[each["psnr_hole"] for each in values] for values in found.values()], axis=0)
            shares = {method: float(np.mean(best == index)) for index, method in enumerate(methods)}
            rows.append({"holes": name, "methods": means(found, tuple(MEASURES)), "best": shares, "images": kept})
    return rows


def evaluate_upscaling(
    methods: dict[str, Method], images: Sequence[UInt8Array], size: int, factors: Sequence[int]
) -> list[dict[str, Any]]:
    """Super-resolution of images that were reduced as usual, against bicubic interpolation.

    Args:
        methods: fill holes; by name.
        images, size: as for `evaluate`.
        factors: each from 2 on.

    Returns:
        A row for each factor: `factor`, and `methods` with PSNR and SSIM of the image for each, bicubic first.
    """
    rows = []
    for factor in factors:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in ("bicubic", *methods)}
        for image in images:
            original = fit(image, size - size % factor, size - size % factor)
            small = reduce_bicubic(original, factor)
            grid, hole = place_on_grid(small, factor)
            enlarged = {"bicubic": enlarge_bicubic(small, factor)}
            enlarged |= {name: to_pixel_centres(fill(grid, hole), factor) for name, fill in methods.items()}
            for name, result in enlarged.items():
                found[name].append(measure(result, original, hole))
        rows.append({"factor": factor, "methods": means(found, ("psnr_image", "ssim_image"))})
    return rows


def means(found: Mapping[str, Sequence[Mapping[str, float]]], measures: Sequence[str]) -> dict[str, dict[str, float]]:
    """The mean of each measure for each method."""
    return {
        method: {key: float(np.mean([each[key] for each in values])) for key in measures}
        for method, values in found.items()
    }


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def short_names(checkpoints: Sequence[Path]) -> dict[str, Path]:
    """Checkpoints by the stems of their files; by their paths where two have one stem, or a simple method has it."""
    taken = [*BASELINES, *(path.stem for path in checkpoints)]
    return {path.stem if taken.count(path.stem) == 1 else str(path): path for path in checkpoints}


def _integers(text: str) -> list[int]:
    try:
        values = [int(each) for each in text.split(",") if each]
    except ValueError:
        raise typer.BadParameter(f"{text!r}: expected numbers, as 2,4") from None
    if any(value < 2 for value in values):
        raise typer.BadParameter(f"{text!r}: factors are 2 or more")
    return values


def command(
    checkpoints: Annotated[list[Path], typer.Argument(help="Checkpoints of known families.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", "--photos", help="Image or folder.  [default: four from scikit-image]", show_default=False
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the square images in pixels.", min=16)] = 256,
    masks: Annotated[int, typer.Option(help="Masks for each image and bucket.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Of the masks.", min=0)] = 0,
    upscale: Annotated[
        str, typer.Option(help="Factors of super-resolution, measured against bicubic; as 2,4.", metavar="K,K")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Fill images with checkpoints and with simple methods, and compare with the originals.

    Example: python -m inpaintrt.training.evaluate examples/demo.ckpt --masks 2
    """
    factors = _integers(upscale)
    originals = [read_image(path).rgb for path in find_images(images)] or list(held_out_images().values())
    networks = {name: checkpoint_method(path) for name, path in short_names(checkpoints).items()}
    classify = inception_classifier()
    rows = evaluate(BASELINES | networks, originals, size, masks, seed, keep_images=classify is not None)
    say(f"{len(originals)} images of {size}x{size}, {masks} masks each, seed {seed}")
    _say_buckets(rows)
    scores = None if classify is None else _inception_scores(rows, classify)
    enlarged = evaluate_upscaling(networks, originals, size, factors)
    if enlarged:
        _say_upscaling(enlarged)
    if as_json:
        plain = [{key: value for key, value in row.items() if key != "images"} for row in rows]
        print_json({"buckets": plain, "upscaling": enlarged, "inception_score": scores})


def _say_buckets(rows: list[dict[str, Any]]) -> None:
    heads = ["holes", *rows[0]["methods"]]
    for key, (title, form) in MEASURES.items():
        lines = [[row["holes"], *(format(each[key], form) for each in row["methods"].values())] for row in rows]
        say(f"\n{title}:\n{table(heads, lines)}")
    lines = [[row["holes"], *(f"{100 * share:.0f} %" for share in row["best"].values())] for row in rows]
    say(f"\nbest hole PSNR, share of the images:\n{table(heads, lines)}")


def _say_upscaling(rows: list[dict[str, Any]]) -> None:
    lines = []
    for row in rows:
        cells = (f"{each['psnr_image']:.2f} dB, {each['ssim_image']:.3f}" for each in row["methods"].values())
        lines.append([f"x{row['factor']}", *cells])
    say(
        "\nsuper-resolution of images reduced by Pillow's bicubic filter, PSNR and SSIM of the image:\n"
        + table(["", *rows[0]["methods"]], lines)
    )


def _inception_scores(rows: list[dict[str, Any]], classify: Classifier) -> dict[str, float]:
    methods = rows[0]["methods"]
    scores = {name: inception_score([p for row in rows for p in row["images"][name]], classify) for name in methods}
    say("\ninception score: " + ", ".join(f"{name} {score:.2f}" for name, score in scores.items()))
    return scores


if __name__ == "__main__":
    command_line(command)()

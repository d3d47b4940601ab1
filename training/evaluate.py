"""How good checkpoints fill photographs they have never seen, against simple methods.

::

    python -m inpaintrt.training.evaluate CHECKPOINT... [--photos FOLDER] [--size N] [--masks N] [--upscale 2,4]

Error, PSNR and SSIM for each hole-ratio bucket of Liu et al. (ECCV 2018), section 4, over the hole pixels alone and
over the picture, averaged over photographs and masks. Without `--photos`, on four photographs that come with
scikit-image and that no training crop was taken from: astronaut (NASA, public domain), chelsea, coffee and rocket (all
CC0).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import skimage.data
import typer

from inpaintrt.runtime.console import command_line, print_json, progress, say
from inpaintrt.runtime.images import read_picture
from inpaintrt.runtime.upscale import place_on_grid
from inpaintrt.validation.cases.images import find_pictures, fit
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, BoolArray, irregular_mask
from inpaintrt.validation.judging.metrics import fidelity

from .inception import Classifier, inception_classifier, inception_score
from .methods import BASELINES, Method, UInt8Array, checkpoint_method, enlarge_bicubic

MEASURES = {
    "psnr_hole": ("PSNR of the holes in dB", ".2f"),
    "ssim_hole": ("SSIM of the holes", ".3f"),
    "l1_hole": ("mean absolute error of the holes in % of the range", ".2f"),
    "psnr_picture": ("PSNR of the picture in dB", ".2f"),
    "ssim_picture": ("SSIM of the picture", ".3f"),
    "l1_picture": ("mean absolute error of the picture in % of the range", ".2f"),
}


def held_out_photos() -> dict[str, UInt8Array]:
    """The four photographs of scikit-image that are kept for evaluation, RGB [H,W,3]."""
    return {name: np.array(getattr(skimage.data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")}


def measure(filled: UInt8Array, original: UInt8Array, hole: BoolArray) -> dict[str, float]:
    """The `MEASURES` of one filled picture."""
    error = np.abs(filled.astype(np.int64) - original) * (100 / 255)
    found = {"l1_hole": float(error[hole].mean()), "l1_picture": float(error.mean())}
    return found | fidelity(filled, original, hole)


def evaluate(
    methods: dict[str, Method],
    photos: Sequence[UInt8Array],
    size: int,
    masks: int,
    seed: int,
    keep_pictures: bool = False,
) -> list[dict[str, Any]]:
    """What each method reaches, one row for each bucket.

    Args:
        methods: by name.
        photos: RGB [H,W,3]; the middle square of each is reduced to `size`.
        size: side in pixels.
        masks: for each photo and bucket, half of them without holes at the border.
        seed: of the masks.
        keep_pictures: whether the filled pictures are returned as well.

    Returns:
        For each bucket `holes`, its name; `methods`, for each method the mean of each of the `MEASURES`; `best`, for
        each method how often (0..1) its hole PSNR is the best; and `pictures`, for each method what it made, if they
        are kept.
    """
    rows = []
    with progress() as shown:
        for low, high in HOLE_RATIO_BUCKETS:
            name = f"{100 * low:.0f}-{100 * high:.0f} %"
            rng = np.random.default_rng([seed, size, round(100 * low)])
            found: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
            pictures: dict[str, list[UInt8Array]] = {method: [] for method in methods}
            for number, photo in enumerate(photos):
                shown.start(f"holes of {name}, photo {number + 1} of {len(photos)}")
                original = fit(photo, size, size)
                for mask in range(masks):
                    hole = irregular_mask(size, size, (low, high), rng, border=mask % 2 == 0)
                    for method, fill in methods.items():
                        filled = fill(original, hole)
                        found[method].append(measure(filled, original, hole))
                        if keep_pictures:
                            pictures[method].append(filled)
            best = np.argmax([[each["psnr_hole"] for each in values] for values in found.values()], axis=0)
            rows.append(
                {
                    "holes": name,
                    "methods": {
                        method: {key: float(np.mean([each[key] for each in values])) for key in MEASURES}
                        for method, values in found.items()
                    },
                    "best": {method: float(np.mean(best == index)) for index, method in enumerate(methods)},
                    "pictures": pictures,
                }
            )
    return rows


def evaluate_upscaling(
    methods: dict[str, Method], photos: Sequence[UInt8Array], size: int, factors: Sequence[int]
) -> list[dict[str, Any]]:
    """Super-resolution of every `factor`-th pixel of photographs, against bicubic interpolation.

    Args:
        methods: fill holes; by name.
        photos, size: as for `evaluate`.
        factors: each from 2 on.

    Returns:
        A row for each factor: `factor`, and `methods` with PSNR and SSIM of the picture for each, bicubic first.
    """
    rows = []
    for factor in factors:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in ("bicubic", *methods)}
        for photo in photos:
            original = fit(photo, size - size % factor, size - size % factor)
            small = original[factor // 2 :: factor, factor // 2 :: factor]
            placed, hole = place_on_grid(small, factor)
            enlarged = {"bicubic": np.where(hole[..., None], enlarge_bicubic(small, factor), placed)}
            enlarged |= {name: fill(placed, hole) for name, fill in methods.items()}
            for name, picture in enlarged.items():
                found[name].append(measure(picture, original, hole))
        rows.append(
            {
                "factor": factor,
                "methods": {
                    name: {
                        key: float(np.mean([each[key] for each in values])) for key in ("psnr_picture", "ssim_picture")
                    }
                    for name, values in found.items()
                },
            }
        )
    return rows


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
    photos: Annotated[
        Path | None, typer.Option(help="Photo or folder.  [default: four from scikit-image]", show_default=False)
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the square photos in pixels.", min=16)] = 256,
    masks: Annotated[int, typer.Option(help="Masks for each photo and bucket.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Of the masks.", min=0)] = 0,
    upscale: Annotated[
        str, typer.Option(help="Factors of super-resolution, measured against bicubic; as 2,4.", metavar="K,K")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Fill photographs with checkpoints and with simple methods, and compare with the originals.

    Example: python -m inpaintrt.training.evaluate examples/demo.ckpt --masks 2
    """
    factors = _integers(upscale)
    pictures = [read_picture(path).rgb for path in find_pictures(photos)] or list(held_out_photos().values())
    networks = {name: checkpoint_method(path) for name, path in short_names(checkpoints).items()}
    classify = inception_classifier()
    rows = evaluate(BASELINES | networks, pictures, size, masks, seed, keep_pictures=classify is not None)
    say(f"{len(pictures)} photos of {size}x{size}, {masks} masks each, seed {seed}")
    for key, (title, form) in MEASURES.items():
        lines = [[row["holes"], *(format(each[key], form) for each in row["methods"].values())] for row in rows]
        say(f"\n{title}:\n{table(['holes', *rows[0]['methods']], lines)}")
    say("\nbest hole PSNR, share of the pictures:")
    say(
        table(
            ["holes", *rows[0]["best"]],
            [[row["holes"], *(f"{100 * v:.0f} %" for v in row["best"].values())] for row in rows],
        )
    )
    scores = None if classify is None else _inception_scores(rows, classify)
    enlarged = evaluate_upscaling(networks, pictures, size, factors)
    if enlarged:
        lines = [
            [
                f"x{row['factor']}",
                *(f"{v['psnr_picture']:.2f} dB, {v['ssim_picture']:.3f}" for v in row["methods"].values()),
            ]
            for row in enlarged
        ]
        say(f"\nsuper-resolution, PSNR and SSIM of the picture:\n{table(['', *enlarged[0]['methods']], lines)}")
    if as_json:
        plain = [{key: value for key, value in row.items() if key != "pictures"} for row in rows]
        print_json({"buckets": plain, "upscaling": enlarged, "inception_score": scores})


def _inception_scores(rows: list[dict[str, Any]], classify: Classifier) -> dict[str, float]:
    methods = rows[0]["methods"]
    scores = {name: inception_score([p for row in rows for p in row["pictures"][name]], classify) for name in methods}
    say("\ninception score: " + ", ".join(f"{name} {score:.2f}" for name, score in scores.items()))
    return scores


if __name__ == "__main__":
    command_line(command)()

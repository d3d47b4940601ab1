"""The mask corpus: what every candidate is judged on, and what networks are trained with.

Irregular masks come in the six hole-ratio buckets of Liu et al. (ECCV 2018, section 4.1), with and without holes
that touch the border; free-form strokes follow Yu et al. (ICCV 2019, section 3.4 and algorithm 1). The rest are the
degenerate masks on which mask-aware networks go wrong.

A mask is a boolean array [H,W], True = hole. Everything is seeded: one seed and size, one corpus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

BoolArray = NDArray[np.bool_]

HOLE_RATIO_BUCKETS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""Lower and upper hole ratio (share of pixels that are holes) of each bucket."""

BORDER_MARGIN = 50 / 512
"""Masks "without border" keep this share of each side free of holes (50 of 512 pixels in the paper)."""


@dataclass(frozen=True)
class MaskCase:
    """A named mask of the corpus. `hole` is [H,W], True = hole."""

    name: str
    hole: BoolArray

    @property
    def ratio(self) -> float:
        """Share of the pixels that are holes, 0..1."""
        return float(self.hole.mean())


def free_form_mask(
    height: int, width: int, rng: np.random.Generator, strokes: int = 4, thickness: float = 1.0
) -> BoolArray:
    """Brush strokes by Yu et al., algorithm 1: random walks of lines with round joints.

    Args:
        height, width: size in pixels.
        strokes: number of strokes.
        thickness: factor on the brush width; 1 gives the paper's 12..40 pixels at 256x256.
    """
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    scale = min(height, width) / 256
    for _ in range(strokes):
        _draw_stroke(draw, height, width, scale, thickness, rng)
    return np.array(canvas, dtype=np.bool_)


def line_drawing(height: int, width: int, rng: np.random.Generator) -> BoolArray:
    """Lines as a user draws them to guide a network, [H,W], True = line: up to four thin strokes, perhaps none."""
    return free_form_mask(height, width, rng, strokes=int(rng.integers(5)), thickness=0.1)


def _draw_stroke(
    draw: ImageDraw.ImageDraw,
    height: int,
    width: int,
    scale: float,
    thickness: float,
    rng: np.random.Generator,
) -> None:
    brush = max(1, round(rng.uniform(12, 40) * scale * thickness))
    angle_centre = 2 * np.pi / 5
    angle_spread = 2 * np.pi / 15
    point = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    points = [point]
    for vertex in range(int(rng.integers(4, 13))):
        angle = rng.uniform(angle_centre - angle_spread, angle_centre + angle_spread)
        if vertex % 2 == 0:
            angle = 2 * np.pi - angle  # the walk turns back and forth, so that strokes fold
        length = np.clip(rng.normal(60, 30), 0, 120) * scale
        point = np.clip(point + length * np.array([np.cos(angle), np.sin(angle)]), 0, [width - 1, height - 1])
        points.append(point)
    flat = [tuple(p) for p in points]
    if rng.random() < 0.5:
        flat = [(width - 1 - x, y) for x, y in flat]
    if rng.random() < 0.5:
        flat = [(x, height - 1 - y) for x, y in flat]
    draw.line(flat, fill=1, width=brush)
    for x, y in flat:
        radius = brush / 2
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def irregular_mask(
    height: int,
    width: int,
    bucket: tuple[float, float],
    rng: np.random.Generator,
    border: bool = True,
) -> BoolArray:
    """An irregular mask whose hole ratio lies in `bucket`.

    Args:
        height, width: size in pixels.
        bucket: lower and upper hole ratio.
        border: whether holes may touch the border; False keeps `BORDER_MARGIN` of each side free.

    Raises:
        ValueError: if no such mask was found, as for a bucket that a tiny image cannot meet.
    """
    low, high = bucket
    margin = 0 if border else max(1, round(BORDER_MARGIN * min(height, width)))
    strokes = round(60 * max(height, width) / min(height, width))  # their size follows the shorter side
    for _ in range(50):
        goal = rng.uniform(low, high)
        hole = np.zeros((height, width), dtype=np.bool_)
        for _ in range(strokes):
            # Thinner strokes near the goal, so that the last one does not leave the bucket.
            missing = high - hole.mean()
            stroke = free_form_mask(height, width, rng, 1, float(np.clip(missing / 0.15, 0.15, 1.0)))
            if margin:
                stroke[:margin] = stroke[-margin:] = False
                stroke[:, :margin] = stroke[:, -margin:] = False
            grown = hole | stroke
            if grown.mean() >= high:
                continue
            hole = grown
            if hole.mean() >= goal:
                break
        if low <= hole.mean() < high and (not border or _touches_border(hole)):
            return hole
    raise ValueError(f"no irregular mask of {height}x{width} has a hole ratio in {low}..{high}")


def _touches_border(hole: BoolArray) -> bool:
    return bool(hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any())


def mask_corpus(height: int, width: int, seed: int = 0, names: Sequence[str] | None = None) -> list[MaskCase]:
    """The corpus for one image size, the same for the same size and seed.

    Args:
        height, width: size in pixels, at least 16.
        seed: of the random masks; the degenerate ones do not depend on it.
        names: of the masks that are wanted, in this order, all if None; each is the same whatever others are wanted.
    """
    if min(height, width) < 16:
        raise ValueError(f"the mask corpus needs images of at least 16x16, got {height}x{width}")
    degenerate = _degenerate_cases(height, width)
    if names is None:
        return [*_irregular_cases(height, width, seed), *degenerate]
    found: list[MaskCase] = []
    for case in chain(degenerate, _irregular_cases(height, width, seed)):  # what takes no time first
        if case.name in names:
            found.append(case)
        if len(found) == len(names):
            break
    return sorted(found, key=lambda case: names.index(case.name))


def _irregular_cases(height: int, width: int, seed: int) -> Iterator[MaskCase]:
    rng = np.random.default_rng([seed, height, width])
    for low, high in HOLE_RATIO_BUCKETS:
        for border in (True, False):
            hole = irregular_mask(height, width, (low, high), rng, border)
            yield MaskCase(f"irregular {low}-{high} {'border' if border else 'inside'}", hole)
    yield MaskCase("free-form strokes", free_form_mask(height, width, rng))
    top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
    rectangle = np.zeros((height, width), dtype=np.bool_)
    rectangle[top : top + height // 2, left : left + width // 2] = True
    yield MaskCase("rectangle", rectangle)


def _degenerate_cases(height: int, width: int) -> list[MaskCase]:
    rows, columns = np.indices((height, width))
    centre = (rows == height // 2) & (columns == width // 2)
    frame = (rows < 2) | (columns < 2) | (rows >= height - 2) | (columns >= width - 2)
    return [
        MaskCase("no hole", np.zeros((height, width), dtype=np.bool_)),
        MaskCase("all hole", np.ones((height, width), dtype=np.bool_)),
        MaskCase("one known pixel", ~centre),
        MaskCase("one hole pixel", centre),
        MaskCase("checkerboard", (rows + columns) % 2 == 0),
        MaskCase("one-pixel lines", (rows % 8 == 0) | (columns % 8 == 0)),
        MaskCase("frame", frame),
    ]

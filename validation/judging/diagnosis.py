"""What a difference looks like: simple mistakes, each tried as an explanation.

A mistake is named only if undoing it leaves almost nothing of the difference. It is a hint for the reader and never
changes a verdict.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics import length

Image = NDArray[np.float32]

EXPLAINED = 0.05
"""Share of a difference that may be left over if a mistake is to explain it."""

LARGE = 0.02
"""Relative difference below which nothing is tried: numerical errors look like nothing."""


SHIFTS = (("to the right", 2, 1), ("to the left", 2, -1), ("down", 1, 1), ("up", 1, -1))
"""In words, and as axis and step of [3,H,W]."""


@dataclass(frozen=True)
class Evidence:
    """What a candidate gave for one image and what it should have given.

    Args:
        candidate, reference: [3,H,W]; float outputs, or composites in 0..255 where those alone are shown.
        shown: bool [H,W], where the two can be compared.
        others: what the other images of the batch should have been.
        inverted: gives what PyTorch makes of the mask's opposite.
    """

    candidate: Image
    reference: Image
    shown: NDArray[np.bool_]
    others: tuple[Image, ...]
    inverted: Callable[[], Image]


def explain(evidence: Evidence) -> str | None:
    """The simple mistake that explains the difference, in words; None if it is small or none does."""
    shown = evidence.shown
    if not shown.any() or not np.isfinite(evidence.candidate[:, shown]).all():
        return None
    difference = _distance(evidence.candidate, evidence.reference, shown)
    if difference <= LARGE * max(_distance(np.zeros_like(evidence.reference), evidence.reference, shown), 1e-30):
        return None
    for words, image in _mistakes(evidence):
        if _distance(evidence.candidate, image, shown) <= EXPLAINED * difference:
            return words
    return None


def _mistakes(evidence: Evidence) -> Iterator[tuple[str, Image]]:
    reference, shown = evidence.reference, evidence.shown
    if np.ptp(evidence.candidate[:, shown]) == 0:
        yield "the same value everywhere", evidence.candidate
    for other in evidence.others:
        yield "images of the batch look swapped", other
    yield "colour channels look swapped (BGR for RGB)", reference[::-1]
    yield "as if the mask were inverted", evidence.inverted()
    yield "looks mirrored left to right", reference[:, :, ::-1]
    yield "looks mirrored top to bottom", reference[:, ::-1]
    for words, axis, step in SHIFTS:
        yield f"looks shifted by one pixel {words}", np.roll(reference, step, axis)
    if reference.shape[1] == reference.shape[2]:
        yield "looks transposed (rows for columns)", reference.transpose(0, 2, 1)
    gain, offset = _line(reference[:, shown], evidence.candidate[:, shown])
    yield f"looks like {gain:.4g} times the right values, plus {offset:.4g}", gain * reference + offset
    gains, offsets = np.transpose(
        [_line(r[shown], c[shown]) for r, c in zip(reference, evidence.candidate, strict=True)]
    )[..., None, None]
    words = ", ".join(f"{g:.4g} x + {o:.4g}" for g, o in zip(gains.ravel(), offsets.ravel(), strict=True))
    yield f"looks as if each colour were scaled by itself ({words})", gains * reference + offsets


def explain_composition(
    composite: NDArray[np.uint8], image: NDArray[np.uint8], reference: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> str | None:
    """What known pixels look like that are not the image's: composites [H,W,3], hole [H,W]."""
    known = ~hole
    difference = composite[known] - image[known]  # of bytes, modulo 256
    if not difference.any():
        return None
    if hole.any() and (composite[hole] == image[hole]).all() and (reference[hole] != image[hole]).any():
        return "holes hold the image and known pixels were replaced, as if the mask were inverted in the composition"
    if np.isin(difference, (0, 1, 255)).all():
        return "known pixels are off by one"
    if (composite[known] == image[known][:, ::-1]).all():
        return "colour channels of known pixels look swapped (BGR for RGB)"
    return None


def _distance(first: Image, second: Image, shown: NDArray[np.bool_]) -> float:
    return length((first.astype(np.float64) - second)[:, shown])


def _line(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, float]:
    """Least-squares gain and offset of y over x; gain 1 where x does not vary."""
    across, up = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
    variance = float(across.var())
    gain = float(((across - across.mean()) * (up - up.mean())).mean() / variance) if variance > 0 else 1.0
    return gain, float(up.mean() - gain * across.mean())

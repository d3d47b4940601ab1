"""How far a candidate is from the reference, for one case."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SSIM_WINDOW = 7
"""Pixels of a side of the window over which structural similarity is computed (Wang et al., 2004; scikit-image)."""

NOTHING = "nothing simple"
"""What a difference looks like that no simple mistake explains."""


@dataclass(frozen=True)
class CaseMetrics:
    """One case of one candidate. None where the candidate does not show the value.

    Args:
        case: name of the case.
        relative_l2: of the float output over the image: |candidate - reference| / |reference|.
        relative_l2_hole: the same over the holes alone.
        max_error: largest absolute difference of the float output, in the network's own units.
        finite: whether the float output, or every FP16 value where that was watched, is free of NaN and Inf.
        non_finite_at: the first node with NaN or Inf, where that is known.
        underflow_at: the first node in which FP16 made zero of what FP32 holds and that matters, where that is watched.
        mask_equal: whether the updated mask is bit-equal.
        known_equal: whether known pixels of the composite are bit-identical to the image.
        known_difference: largest difference of known pixels, 0..255.
        hole_values: number of composite values (pixels times 3) in the holes.
        max_difference: largest difference of the composites in the holes, 0..255.
        within_one: number of those values that differ by at most 1.
        squared_error: sum of squared differences of those values.
        psnr_hole, psnr_image: of the composite, dB; inf without any difference.
        ssim_hole, ssim_image: structural similarity of the composites, mean over the windows around hole pixels and
            over all; 1 without any difference. Only of the worst cases, which are shown.
        composition_difference: largest difference, 0..255, between the composite and what PyTorch composes from the
            candidate's own float output.
        composition_errors: number of composite values in holes that differ so.
        difference_sum: sum of the signed differences of the composites in the holes.
        perturbed_relative_l2: `relative_l2` of PyTorch in FP32 when its weights are moved as rounding to FP16 moves
            them: what FP16 costs at least.
        truth_relative_l2, torch_truth_relative_l2: the candidate's and PyTorch FP32's distance from PyTorch in FP64;
            only where an FP32 candidate is not within the limit of PyTorch FP32.
        perturbed_levels: largest difference, 0..255 and before rounding to 8 bits, that this PyTorch shows.
        perturbed_squared_error: as `squared_error`, of that PyTorch.
        resembles: what the difference looks like, where a simple mistake explains it (see `diagnosis.py`); `NOTHING`
            where none does. Only of the first cases that differ.
    """

    case: str
    relative_l2: float | None = None
    relative_l2_hole: float | None = None
    max_error: float | None = None
    finite: bool | None = None
    non_finite_at: str | None = None
    underflow_at: str | None = None
    mask_equal: bool | None = None
    known_equal: bool | None = None
    known_difference: int | None = None
    hole_values: int | None = None
    max_difference: int | None = None
    within_one: int | None = None
    squared_error: float | None = None
    psnr_hole: float | None = None
    psnr_image: float | None = None
    ssim_hole: float | None = None
    ssim_image: float | None = None
    composition_difference: int | None = None
    composition_errors: int | None = None
    difference_sum: int | None = None
    perturbed_relative_l2: float | None = None
    truth_relative_l2: float | None = None
    torch_truth_relative_l2: float | None = None
    perturbed_levels: float | None = None
    perturbed_squared_error: float | None = None
    resembles: str | None = None


def relative_l2(candidate: NDArray[Any], reference: NDArray[Any]) -> float:
    """|candidate - reference| / |reference| in double precision; inf if they differ where the reference is all zero."""
    difference, norm = length(candidate.astype(np.float64) - reference), length(reference)
    if difference == 0:
        return 0.0
    return difference / norm if norm > 0 else math.inf


def length(values: NDArray[Any]) -> float:
    """The Euclidean norm in double precision.

    `np.linalg.norm` asks BLAS, whose threads wait for each other on a busy machine: 70 ms for 10,000 values.
    """
    return math.sqrt(float(np.square(values, dtype=np.float64).sum()))


def psnr(squared_error: float, values: int) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit values; inf without error."""
    return math.inf if squared_error == 0 else 10 * math.log10(255**2 * values / squared_error)


def output_metrics(
    candidate: NDArray[np.float32], reference: NDArray[np.float32], hole: NDArray[np.bool_]
) -> dict[str, Any]:
    """The entries of `CaseMetrics` about float outputs [3,H,W]; hole is [H,W]."""
    return {
        "relative_l2": relative_l2(candidate, reference),
        "relative_l2_hole": relative_l2(candidate[:, hole], reference[:, hole]),
        "max_error": float(np.abs(candidate.astype(np.float64) - reference).max()),
        "finite": bool(np.isfinite(candidate).all()),
    }


def composite_metrics(
    candidate: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
) -> dict[str, Any]:
    """The entries of `CaseMetrics` about composites: arrays [H,W,3], hole [H,W]."""
    difference = candidate.astype(np.int64) - reference
    known = np.abs(candidate[~hole].astype(np.int64) - image[~hole])
    in_hole = difference[hole]
    return {
        "known_equal": not bool(known.any()),
        "known_difference": int(known.max(initial=0)),
        "hole_values": int(in_hole.size),
        "max_difference": int(np.abs(in_hole).max(initial=0)),
        "difference_sum": int(in_hole.sum()),
        "within_one": int((np.abs(in_hole) <= 1).sum()),
        "squared_error": float((in_hole**2).sum()),
        **_psnr(difference, hole),
    }


def fidelity(candidate: NDArray[np.uint8], reference: NDArray[np.uint8], hole: NDArray[np.bool_]) -> dict[str, float]:
    """PSNR in dB and SSIM, over the hole and over the image: arrays [H,W,3], hole [H,W]."""
    in_hole, whole = similarity(candidate, reference, hole)
    return _psnr(candidate.astype(np.int64) - reference, hole) | {"ssim_hole": in_hole, "ssim_image": whole}


def similarity(
    candidate: NDArray[np.uint8], reference: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> tuple[float, float]:
    """SSIM over the hole and over the image: arrays [H,W,3], hole [H,W]."""
    plane = _similarity(candidate, reference)
    return float(plane[hole].mean()) if hole.any() else 1.0, float(plane.mean())


def _psnr(difference: NDArray[np.int64], hole: NDArray[np.bool_]) -> dict[str, float]:
    squared = difference**2
    in_hole = squared[hole]
    return {
        "psnr_hole": psnr(float(in_hole.sum()), in_hole.size),
        "psnr_image": psnr(float(squared.sum()), squared.size),
    }


def perturbed_metrics(
    perturbed: NDArray[np.float32], image: NDArray[np.float32], composite: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> dict[str, float]:
    """The entries about what perturbed weights alone do: images before rounding [H,W,3], composite, hole [H,W]."""
    unavoidable = np.round(perturbed[hole]) - composite[hole]
    return {
        "perturbed_levels": float(np.abs(perturbed[hole] - image[hole]).max(initial=0)),
        "perturbed_squared_error": float((unavoidable**2).sum()),
    }


def _similarity(candidate: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity at every pixel [H,W], mean over the colours."""
    if (candidate == reference).all():
        return np.ones(candidate.shape[:2])
    from skimage.metrics import structural_similarity  # only where something differs

    _, similarity = structural_similarity(
        candidate, reference, win_size=SSIM_WINDOW, channel_axis=-1, data_range=255, full=True
    )
    averaged: NDArray[np.float64] = similarity.mean(axis=-1)
    return averaged

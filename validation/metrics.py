"""How far a candidate is from the reference, for one case."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CaseMetrics:
    """One case of one candidate. None where the candidate does not show the value.

    Args:
        case: name of the case.
        relative_l2: of the float output over the picture: |candidate - reference| / |reference|.
        finite: whether the float output, or every FP16 value where that was watched, is free of NaN and Inf.
        non_finite_at: the first node with NaN or Inf, where that is known.
        mask_equal: whether the updated mask is bit-equal.
        known_equal: whether known pixels of the composite are bit-identical to the image.
        hole_values: number of composite values (pixels times 3) in the holes.
        max_difference: largest difference of the composites in the holes, 0..255.
        within_one: number of those values that differ by at most 1.
        squared_error: sum of squared differences of those values.
        composition_difference: largest difference, 0..255, between the composite and what PyTorch composes from the
            candidate's own float output.
        disturbed_levels: largest difference, 0..255 and before rounding to 8 bits, that PyTorch in FP32 shows when its
            weights are moved as rounding to FP16 moves them: what FP16 costs at least.
        disturbed_squared_error: as `squared_error`, of that PyTorch.
    """

    case: str
    relative_l2: float | None = None
    finite: bool | None = None
    non_finite_at: str | None = None
    mask_equal: bool | None = None
    known_equal: bool | None = None
    hole_values: int | None = None
    max_difference: int | None = None
    within_one: int | None = None
    squared_error: float | None = None
    composition_difference: int | None = None
    disturbed_levels: float | None = None
    disturbed_squared_error: float | None = None


def relative_l2(candidate: NDArray[Any], reference: NDArray[Any]) -> float:
    """|candidate - reference| / |reference| in double precision; inf if they differ where the reference is all zero."""
    difference = float(np.linalg.norm((candidate.astype(np.float64) - reference).ravel()))
    norm = float(np.linalg.norm(reference.astype(np.float64).ravel()))
    if difference == 0:
        return 0.0
    return difference / norm if norm > 0 else math.inf


def psnr(squared_error: float, values: int) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit values; inf without error."""
    return math.inf if squared_error == 0 else 10 * math.log10(255**2 * values / squared_error)


def composite_metrics(
    candidate: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    image: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    picture: NDArray[np.float32],
    disturbed: NDArray[np.float32],
) -> dict[str, Any]:
    """The entries of `CaseMetrics` about composites: arrays [H,W,3], hole [H,W]; pictures before rounding."""
    difference = np.abs(candidate[hole].astype(np.int64) - reference[hole])
    levels = np.abs(disturbed[hole] - picture[hole])
    unavoidable = np.round(disturbed[hole]) - reference[hole]
    return {
        "known_equal": bool((candidate[~hole] == image[~hole]).all()),
        "hole_values": int(difference.size),
        "max_difference": int(difference.max(initial=0)),
        "within_one": int((difference <= 1).sum()),
        "squared_error": float((difference**2).sum()),
        "disturbed_levels": float(levels.max(initial=0)),
        "disturbed_squared_error": float((unavoidable**2).sum()),
    }

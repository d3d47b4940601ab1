"""One batch of a candidate against PyTorch: the metrics of each image, and images to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..candidates.parity import Candidate, Values
from ..cases.expected import Expected, TorchReference
from .checks import LEAST_ERROR
from .diagnosis import LARGE, Evidence, explain, explain_composition
from .metrics import NOTHING, CaseMetrics, composite_metrics, output_metrics, perturbed_metrics, relative_l2
from .tolerances import Tolerances

SOFT_MASK = 1e-5
"""Relative and absolute difference of soft masks: that of FP32 outputs."""


DIAGNOSED = 4
"""After so many failed cases of a candidate PyTorch is no longer run in other ways to find out why."""


class WrongTensorError(Exception):
    """A candidate gave no such tensor, or one of another type or shape than PyTorch: it fails."""


@dataclass(frozen=True)
class ComparedImage:
    """One case to look at: uint8 [H,W,3], hole bool [H,W], and what PyTorch and the candidate made of it."""

    metrics: CaseMetrics
    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]
    expected: NDArray[np.uint8]
    found: NDArray[np.uint8]


def compare(
    candidate: Candidate, values: Values, expected: Expected, torch_reference: TorchReference, limits: Tolerances,
    so_far: Sequence[CaseMetrics] = (),
) -> list[ComparedImage]:  # fmt: skip
    """Compare one batch, one entry for each image.

    Args:
        candidate, values: what it is, and what it gave.
        expected: what PyTorch gave.
        torch_reference: PyTorch.
        limits: decide where PyTorch is asked for FP64.
        so_far: the candidate's other cases; of a candidate that failed in several, no more is asked why.

    Raises:
        WrongTensorError: if a tensor is missing, or of another type or shape than PyTorch's.
    """
    batch = expected.batch
    wanted: dict[str, NDArray[Any] | None] = {
        "output": expected.output, "updated_mask": expected.updated_mask, "composite": expected.composite,
    }  # fmt: skip
    shown = {name: _checked(name, values, wanted[name]) for name in candidate.shows}
    output, mask = shown.get("output"), shown.get("updated_mask")
    composed = None if output is None else torch_reference.compose(batch, output)
    composite = shown.get("composite", composed)
    assert composite is not None, "every candidate shows its composite or its output"
    diagnosed = sum((entry.max_difference or 0) > limits.max_difference for entry in so_far) >= DIAGNOSED
    ask = candidate.precision == "fp32" and output is not None and _lost_truth(so_far, limits) < DIAGNOSED
    truth = expected.reruns.truth if ask and _is_beyond(output, expected.output, limits) else None
    result = []
    for index, name in enumerate(batch.names):
        hole = batch.hole[index]
        entries: dict[str, Any] = {"underflow_at": values.underflow_at}
        if output is not None:
            entries |= output_metrics(output[index], expected.output[index], hole)
            entries["finite"] = entries["finite"] and values.non_finite_at is None
            entries["non_finite_at"] = values.non_finite_at
            if truth is not None:
                entries["truth_relative_l2"] = relative_l2(output[index], truth[index])
                entries["torch_truth_relative_l2"] = relative_l2(expected.output[index], truth[index])
        if mask is not None and expected.updated_mask is not None:
            entries["mask_equal"] = same_mask(mask[index], expected.updated_mask[index])
        entries |= composite_metrics(composite[index], expected.composite[index], batch.image[index], hole)
        if _needs_excuse(entries, candidate.precision, limits):
            moved = expected.reruns.perturbed
            levels = torch_reference.levels(moved)[index]
            entries["perturbed_relative_l2"] = relative_l2(moved[index], expected.output[index])
            entries |= perturbed_metrics(levels, expected.levels[index], expected.composite[index], hole)
        if "composite" in shown and composed is not None:
            rounding = np.abs(composite[index].astype(int) - composed[index])
            entries["composition_difference"] = int(rounding.max())
            entries["composition_errors"] = int((rounding[hole] > 0).sum())
        if not diagnosed and not _looks_right(entries):
            entries["resembles"] = explain_composition(
                composite[index], batch.image[index], expected.composite[index], hole
            ) or _explain(expected, index, output, composite, torch_reference)
            if not entries["resembles"] and _differs(entries, limits):
                entries["resembles"] = NOTHING
        metrics = CaseMetrics(name, **entries)
        result.append(ComparedImage(metrics, batch.image[index], hole, expected.composite[index], composite[index]))
    return result


def _needs_excuse(entries: dict[str, Any], precision: str, limits: Tolerances) -> bool:
    """Whether a case is not good as it is: only then does it matter how much perturbed weights move the output."""
    if precision == "fp32":
        return bool(entries["max_difference"] > limits.fp32_difference)
    error, values = entries.get("relative_l2", 0.0), entries["hole_values"]
    return bool(
        not error <= limits.fp16_error * LEAST_ERROR
        or entries["max_difference"] > limits.max_difference
        or entries["within_one"] < limits.within_one * values
        or entries["psnr_hole"] < limits.psnr
        or abs(entries["difference_sum"]) > limits.mean_difference * values
    )


def _differs(entries: dict[str, Any], limits: Tolerances) -> bool:
    """Whether the difference is one that a reader sees."""
    return not entries["known_equal"] or bool(entries["max_difference"] > limits.max_difference)


def _looks_right(entries: dict[str, Any]) -> bool:
    """Whether there is nothing that a simple mistake could explain."""
    return bool(entries["known_equal"] and entries.get("relative_l2", np.inf) <= LARGE)


def same_mask(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Whether two updated masks are one: bit for bit if they hold zeros and ones.

    A soft mask, which a network resamples or learns, is a sum of fractions, and rounds by the order of the additions.
    """
    if np.isin(expected, (0, 1)).all():
        return bool((found == expected).all())
    return bool(np.allclose(found, expected, rtol=SOFT_MASK, atol=SOFT_MASK))


def _explain(
    expected: Expected, index: int, output: NDArray[Any] | None, composite: NDArray[Any], reference: TorchReference
) -> str | None:
    if not np.isfinite(expected.output[index]).all():
        return "PyTorch itself gives NaN or Inf here"
    if output is not None:
        right, found, shown = expected.output, output[index], np.ones_like(expected.batch.hole[index])
    else:
        right, found = _channels_first(expected.levels.round()), _channels_first(composite)[index].astype(np.float32)
        shown = expected.batch.hole[index]
    others = tuple(right[other] for other in range(len(right)) if other != index)

    def inverted() -> NDArray[Any]:
        image = expected.reruns.inverted
        shown: NDArray[Any] = image if output is not None else _channels_first(reference.levels(image).round())
        return np.asarray(shown[index])

    return explain(Evidence(found, right[index], shown, others, inverted))


def _is_beyond(output: NDArray[Any] | None, expected: NDArray[Any], limits: Tolerances) -> bool:
    """FP64 takes twice the time of FP32, and matters only where a candidate is not close to PyTorch's FP32."""
    assert output is not None
    return bool(np.isfinite(output).all()) and any(
        relative_l2(found, right) > limits.relative_l2 for found, right in zip(output, expected, strict=True)
    )


def _lost_truth(so_far: Sequence[CaseMetrics], limits: Tolerances) -> int:
    """In how many cases FP64 was asked, and the candidate failed by it."""
    return sum(
        (entry.truth_relative_l2 or 0.0) > limits.fp32_error * entry.torch_truth_relative_l2
        for entry in so_far
        if entry.torch_truth_relative_l2 is not None
    )


def _channels_first(images: NDArray[Any]) -> NDArray[Any]:
    """[N,H,W,3] as [N,3,H,W]."""
    channels_first: NDArray[Any] = images.transpose(0, 3, 1, 2)
    return channels_first


def _checked(name: str, values: Values, expected: NDArray[Any] | None) -> NDArray[Any]:
    value = values.tensors.get(name)
    if value is None or expected is None:
        raise WrongTensorError(f"{'PyTorch' if expected is None else 'the candidate'} gives no {name}")
    if value.shape != expected.shape:
        raise WrongTensorError(f"{name} has shape {value.shape}, PyTorch's is {expected.shape}")
    if value.dtype != expected.dtype:
        raise WrongTensorError(f"{name} is {value.dtype}, expected {expected.dtype}")
    return value

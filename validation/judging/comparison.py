"""One batch of a candidate against PyTorch: the metrics of each picture, and pictures to look at."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..candidates.candidates import Candidate, Values
from ..cases.cases import Reference, TorchReference
from .diagnosis import Evidence, explain, explain_composition
from .metrics import SUSPICIOUS, CaseMetrics, composite_metrics, disturbed_metrics, output_metrics, relative_l2

SOFT_MASK = 1e-5
"""Relative and absolute difference of soft masks: that of FP32 outputs."""


class WrongTensorError(Exception):
    """A candidate gave no such tensor, or one of another type or shape than PyTorch: it fails."""


@dataclass(frozen=True)
class ComparedPicture:
    """One case to look at: uint8 [H,W,3], hole bool [H,W], and what PyTorch and the candidate made of it."""

    metrics: CaseMetrics
    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]
    expected: NDArray[np.uint8]
    found: NDArray[np.uint8]


def compare(
    candidate: Candidate, values: Values, reference: Reference, torch_reference: TorchReference
) -> list[ComparedPicture]:
    """Compare one batch, one entry for each picture.

    Raises:
        WrongTensorError: if a tensor is missing, or of another type or shape than PyTorch's.
    """
    batch = reference.batch
    expected: dict[str, NDArray[Any] | None] = {
        "output": reference.output, "updated_mask": reference.updated_mask, "composite": reference.composite,
    }  # fmt: skip
    shown = {name: _checked(name, values, expected[name]) for name in candidate.shows}
    output, mask = shown.get("output"), shown.get("updated_mask")
    composed = None if output is None else torch_reference.compose(batch, output)
    composite = shown.get("composite", composed)
    assert composite is not None, "every candidate shows its composite or its output"
    reruns = _Reruns(torch_reference, reference)
    result = []
    for index, name in enumerate(batch.names):
        hole = batch.hole[index]
        entries: dict[str, Any] = {
            "disturbed_relative_l2": relative_l2(reference.disturbed_output[index], reference.output[index]),
            "underflow_at": values.underflow_at,
        }
        if output is not None:
            entries |= output_metrics(output[index], reference.output[index], hole)
            entries["finite"] = entries["finite"] and values.non_finite_at is None
            entries["non_finite_at"] = values.non_finite_at
            if candidate.precision == "fp32" and SUSPICIOUS < entries["relative_l2"] < np.inf:
                moved = reruns.rounded_otherwise()[index]
                entries["rounding_relative_l2"] = relative_l2(moved, reference.output[index])
        if mask is not None and reference.updated_mask is not None:
            entries["mask_equal"] = same_mask(mask[index], reference.updated_mask[index])
        entries |= composite_metrics(composite[index], reference.composite[index], batch.image[index], hole)
        entries |= disturbed_metrics(
            reference.disturbed_picture[index], reference.picture[index], reference.composite[index], hole
        )
        if "composite" in shown and composed is not None:
            rounding = np.abs(composite[index].astype(int) - composed[index])
            entries["composition_difference"] = int(rounding.max())
            entries["composition_errors"] = int((rounding[hole] > 0).sum())
        entries["resembles"] = explain_composition(
            composite[index], batch.image[index], reference.composite[index], hole
        ) or _explain(reference, index, output, composite, reruns)
        metrics = CaseMetrics(name, **entries)
        result.append(ComparedPicture(metrics, batch.image[index], hole, reference.composite[index], composite[index]))
    return result


def same_mask(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Whether two updated masks are one: bit for bit if they hold zeros and ones.

    A soft mask, which a network resamples or learns, is a sum of fractions, and rounds by the order of the additions.
    """
    if np.isin(expected, (0, 1)).all():
        return bool((found == expected).all())
    return bool(np.allclose(found, expected, rtol=SOFT_MASK, atol=SOFT_MASK))


class _Reruns:
    """What PyTorch makes of the batch in other ways; each computed once, if anyone asks."""

    def __init__(self, torch_reference: TorchReference, reference: Reference):
        self._torch_reference, self._reference = torch_reference, reference
        self._output: NDArray[np.float32] | None = None
        self._moved: NDArray[np.float32] | None = None

    def rounded_otherwise(self) -> NDArray[np.float32]:
        """The output with each result inside moved as rounding to FP32 moves it."""
        if self._moved is None:
            self._moved = self._torch_reference.run_disturbed_fp32(self._reference.batch)
        return self._moved

    def output(self) -> NDArray[np.float32]:
        """The output with the masks' opposite."""
        if self._output is None:
            self._output = self._torch_reference.run_inverted(self._reference.batch)
        return self._output

    def picture(self) -> NDArray[np.float32]:
        """The same as levels, as a composite has them: [N,3,H,W] in 0..255."""
        return _levels(self._torch_reference.picture(self.output()).round())


def _explain(
    reference: Reference, index: int, output: NDArray[Any] | None, composite: NDArray[Any], reruns: _Reruns
) -> str | None:
    if not np.isfinite(reference.output[index]).all():
        return "PyTorch itself gives NaN or Inf here"
    if output is not None:
        expected, found, shown = reference.output, output[index], np.ones_like(reference.batch.hole[index])
    else:
        expected, found = _levels(reference.picture.round()), _levels(composite)[index].astype(np.float32)
        shown = reference.batch.hole[index]
    others = tuple(expected[other] for other in range(len(expected)) if other != index)
    return explain(
        Evidence(
            found, expected[index], shown, others,
            lambda: (reruns.output() if output is not None else reruns.picture())[index],
        )
    )  # fmt: skip


def _levels(pictures: NDArray[Any]) -> NDArray[Any]:
    """[N,H,W,3] as [N,3,H,W]."""
    channels_first: NDArray[Any] = pictures.transpose(0, 3, 1, 2)
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

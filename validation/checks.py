"""What a candidate must hold over the whole corpus, and the verdict.

A network can magnify differences without bound: random weights with one known pixel give values of 1e5, whose FP16
rounding alone is hundreds of levels. So every case is also run by PyTorch in FP32 with its weights moved by as much as
rounding to FP16 moves them. Where that alone moves a composite value by more than `WELL_CONDITIONED` levels, no FP16
graph can meet the tolerance; such a case is judged by how much worse than that the candidate is, and the report says
which and why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .metrics import CaseMetrics, psnr

Result = Literal["pass", "fail", "not run"]

WELL_CONDITIONED = 0.75
"""Levels (of 255) that rounding of the weights alone may move a value in a case judged by the tolerance: a quarter of
the three levels allowed, as `excess` allows four times its error."""


@dataclass(frozen=True)
class Tolerances:
    """Limits over the whole corpus.

    Args:
        relative_l2: FP32 outputs differ by the order of additions only; 1e-5 leaves a factor of ten for deep networks.
        max_difference: of composites, in 1/255; FP16 rounding of a steep network can cross three levels.
        within_one: share of composite values in the holes that differ by at most 1/255.
        psnr: in the holes, dB; 50 dB is an error no display shows.
        excess: how many dB below that of rounded weights alone the PSNR may be in an ill-conditioned case; 12 dB is
            four times their error, as each layer rounds its sum, its ratio and their product besides its weights.
        composition: of a composite and the candidate's own float output: rounding can go either way at a half.
    """

    relative_l2: float = 1e-5
    max_difference: int = 3
    within_one: float = 0.999
    psnr: float = 50.0
    excess: float = 12.0
    composition: int = 1


@dataclass(frozen=True)
class Check:
    """One thing that must hold: the measured value, the limit, and the result; `reason` says more where it failed."""

    name: str
    result: Result
    value: float | int | None = None
    limit: float | int | None = None
    reason: str = ""


def judge(metrics: Sequence[CaseMetrics], precision: str, tolerances: Tolerances, has_mask: bool) -> list[Check]:
    """The checks of one candidate that ran.

    Args:
        metrics: of every case of the corpus.
        precision: `fp32` or `fp16`, which decides the tolerances.
        tolerances: the limits.
        has_mask: whether the network returns an updated mask.
    """
    checks = [_finite(metrics)]
    if precision == "fp32" and _shown(metrics, "relative_l2"):
        checks.append(_worst("relative L2 of output", metrics, "relative_l2", tolerances.relative_l2))
    if has_mask:
        checks.append(_all("updated mask bit-equal", metrics, "mask_equal"))
    if _shown(metrics, "known_equal"):
        checks.append(_all("known pixels bit-identical", metrics, "known_equal"))
        if _shown(metrics, "composition_difference"):
            title = "composite follows from output, 1/255"
            checks.append(_worst(title, metrics, "composition_difference", tolerances.composition))
        if precision == "fp16":
            checks += _judge_composites(metrics, tolerances)
    return checks


def verdict(checks: Sequence[Check]) -> Result:
    """`fail` if any check failed, `pass` if all that ran passed and at least one ran."""
    if any(check.result == "fail" for check in checks):
        return "fail"
    return "pass" if any(check.result == "pass" for check in checks) else "not run"


def _shown(metrics: Sequence[CaseMetrics], name: str) -> bool:
    return any(getattr(entry, name) is not None for entry in metrics)


def _finite(metrics: Sequence[CaseMetrics]) -> Check:
    bad = [entry for entry in metrics if entry.finite is False]
    if not _shown(metrics, "finite"):
        return Check("no NaN or Inf", "not run", reason="the candidate shows its composite alone")
    where = f"{bad[0].case}, first at {bad[0].non_finite_at or 'the output'}" if bad else ""
    return Check("no NaN or Inf", "fail" if bad else "pass", len(bad), 0, where)


def _worst(title: str, metrics: Sequence[CaseMetrics], name: str, limit: float) -> Check:
    values = [(getattr(entry, name), entry.case) for entry in metrics]
    missing = [case for value, case in values if value is None]
    if missing:
        return Check(title, "fail", None, limit, f"no value for {missing[0]}")
    value, case = max(values, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    failed = not value <= limit  # also when it is NaN
    return Check(title, "fail" if failed else "pass", value, limit, f"worst in {case}")


def _all(title: str, metrics: Sequence[CaseMetrics], name: str) -> Check:
    if not _shown(metrics, name):
        return Check(title, "not run", reason="the candidate does not show it")
    bad = [entry.case for entry in metrics if getattr(entry, name) is not True]
    return Check(title, "fail" if bad else "pass", len(bad), 0, f"differs in {', '.join(bad[:3])}" if bad else "")


def _judge_composites(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    well = [entry for entry in metrics if (entry.disturbed_levels or 0) <= WELL_CONDITIONED]
    ill = [entry for entry in metrics if (entry.disturbed_levels or 0) > WELL_CONDITIONED]
    title = "largest composite difference in holes, 1/255"
    checks = (
        [_worst(title, well, "max_difference", tolerances.max_difference), *_pooled(well, tolerances)] if well else []
    )
    if ill:
        excess, case = max((_excess(entry), entry.case) for entry in ill)
        worst = max(entry.disturbed_levels or 0 for entry in ill)
        checks.append(
            Check(
                "PSNR below that of rounded weights alone, dB", "pass" if excess <= tolerances.excess else "fail",
                excess, tolerances.excess,
                f"worst in {case}; {len(ill)} of {len(metrics)} cases are ill-conditioned: rounded weights alone are "
                f"off by up to {worst:.3g}/255 there, so the tolerances for the others cannot hold",
            )
        )  # fmt: skip
    return checks


def _excess(entry: CaseMetrics) -> float:
    """Decibels between the error of rounded weights alone and the candidate's; negative if the candidate is better."""
    values = entry.hole_values or 0
    return psnr(entry.disturbed_squared_error or 0.0, values) - psnr(entry.squared_error or 0.0, values)


def _pooled(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    """Share and PSNR over all hole values of the cases: a hole of one pixel has too few values of its own."""
    values = sum(entry.hole_values or 0 for entry in metrics)
    share = sum(entry.within_one or 0 for entry in metrics) / values if values else 1.0
    decibels = psnr(sum(entry.squared_error or 0.0 for entry in metrics), values)
    return [
        Check(
            "share of hole values within 1/255", "pass" if share >= tolerances.within_one else "fail",
            share, tolerances.within_one,
        ),
        Check("PSNR in holes, dB", "pass" if decibels >= tolerances.psnr else "fail", decibels, tolerances.psnr),
    ]  # fmt: skip

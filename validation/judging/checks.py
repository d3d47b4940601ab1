"""What a candidate must hold over the whole corpus, and the verdict.

One rule for the float output of both precisions: a candidate may be as far off as PyTorch itself is with the same
excuse, times a factor. FP32 has the excuse that sums can be taken in another order; its measure is PyTorch FP32's own
distance from PyTorch FP64. FP16 has the excuse that weights are rounded; its measure is what PyTorch FP32 does when its
weights are moved by as much as rounding to FP16 moves them. Where that alone moves a composite value by more than
`WELL_CONDITIONED` levels, no FP16 graph can meet the limits of composites: such a case is judged by how much worse than
that the candidate is, and the report says which and why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .metrics import CaseMetrics, psnr
from .statistics import ENOUGH, everything, large_enough
from .tolerances import Tolerances

Result = Literal["pass", "fail", "not run"]

WELL_CONDITIONED = 0.5
"""Levels (of 255) that rounding of the weights alone may move a value in a case judged by the tolerance: a sixth of
the three levels allowed, because FP16 rounds besides the weights whatever it computes with them."""

WELL_CONDITIONED_FP32 = 256.0
"""As `WELL_CONDITIONED`, of FP32: its rounding is 2^13 times finer, so such a case moves by 1/32 of a level."""

JUDGEABLE = 2.0**-4
"""Relative error of the output that rounded weights may make in a case judged by `fp16_error`: eight times that is half
of the output, and an output of nothing but zeros has the error 1."""

LEAST_ERROR = 2.0**-13
"""The relative error that FP16 is granted where rounded weights show less: its output itself is rounded to 11 bits."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold: the measured value, the limit, and the result; `reason` says more where it failed."""

    name: str
    result: Result
    value: float | int | None = None
    limit: float | int | None = None
    reason: str = ""


def judge(
    metrics: Sequence[CaseMetrics], precision: str, tolerances: Tolerances, has_mask: bool, cases: int, partly: str = ""
) -> list[Check]:
    """The checks of one candidate that ran.

    Args:
        metrics: of every case of the corpus.
        precision: `fp32` or `fp16`, which decides the tolerances.
        tolerances: the limits.
        has_mask: whether the network returns an updated mask.
        cases: how many cases should have run.
        partly: why these were not all cases there are, in words.
    """
    last = f"the last was {metrics[-1].case}" if metrics and len(metrics) != cases else partly
    ran = Check("cases that ran", "pass" if len(metrics) == cases else "fail", len(metrics), cases, last)
    checks = [ran, _finite(metrics), *_judge_outputs(metrics, precision, tolerances)]
    if has_mask:
        checks.append(_all("updated mask bit-equal", metrics, "mask_equal"))
    checks.append(_known(metrics))
    if _shown(metrics, "composition_difference"):
        title = "composite follows from output, 1/255"
        checks.append(_worst(title, metrics, "composition_difference", tolerances.composition))
        checks.append(_composition_share(metrics, tolerances.composition_share))
    if precision == "fp16":
        checks += _judge_composites(metrics, tolerances)
    else:
        checks += _judge_fp32_composites(metrics, tolerances)
    return checks


def _judge_outputs(metrics: Sequence[CaseMetrics], precision: str, tolerances: Tolerances) -> list[Check]:
    if not _shown(metrics, "relative_l2"):
        return []  # an engine that shows composites only
    return (_judge_fp32_outputs if precision == "fp32" else _judge_fp16_outputs)(metrics, tolerances)


def _judge_fp32_outputs(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    """As close to PyTorch FP32 as the limit says; or else as close to FP64 as PyTorch FP32 is, times a factor."""
    limit = tolerances.fp32_error
    beyond = [entry for entry in metrics if entry.torch_truth_relative_l2 is not None and _is_beyond(entry, tolerances)]
    others = [entry for entry in metrics if entry not in beyond]
    checks = [_worst("relative L2 of output", others, "relative_l2", tolerances.relative_l2)] if others else []
    if beyond:
        ratio, entry = max(((_times_torch(entry), entry) for entry in beyond), key=lambda pair: pair[0])
        words = (
            f"worst in {entry.case}, {_number(entry.truth_relative_l2)} against PyTorch FP32's own "
            f"{_number(entry.torch_truth_relative_l2)}; {len(beyond)} of {len(metrics)} cases are further than "
            f"{tolerances.relative_l2:g} (relative L2) from PyTorch FP32 and judged by this"
        )
        result: Result = "pass" if ratio <= limit else "fail"
        checks.append(Check("distance from FP64, times that of PyTorch FP32", result, ratio, limit, words))
    return checks


def _is_beyond(entry: CaseMetrics, tolerances: Tolerances) -> bool:
    return entry.relative_l2 is not None and entry.relative_l2 > tolerances.relative_l2


def _times_torch(entry: CaseMetrics) -> float:
    error, own = entry.truth_relative_l2, entry.torch_truth_relative_l2
    return math.inf if error is None or math.isnan(error) or not own else error / own


def _judge_fp16_outputs(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    judgeable = [entry for entry in metrics if (entry.perturbed_relative_l2 or 0.0) <= JUDGEABLE]
    title = "cases in which FP16 can be judged"
    if not judgeable:
        least = min(entry.perturbed_relative_l2 or 0.0 for entry in metrics)
        words = (
            f"rounding the weights to FP16 changes the output of PyTorch itself by at least {least:.2g} (relative L2), "
            f"first in {metrics[0].case}: nobody can tell a wrong FP16 model from a right one; deploy FP32 only"
        )
        return [Check(title, "fail", 0, 1, words)]
    ratio, case = max((fp16_error(entry), entry.case) for entry in judgeable)
    left = len(metrics) - len(judgeable)
    words = f"worst in {case}" + (
        f"; not of {left} cases in which rounded weights alone change the output by more than {JUDGEABLE:g}"
        if left
        else ""
    )
    result: Result = "pass" if ratio <= tolerances.fp16_error else "fail"
    return [Check("error of output, times that of rounded weights alone", result, ratio, tolerances.fp16_error, words)]


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.2g}"


def fp16_error(entry: CaseMetrics) -> float:
    """Relative L2 error of an output over that of rounded weights alone; inf if it is not known or not finite."""
    error = entry.relative_l2
    if error is None or math.isnan(error):
        return math.inf
    return error / max(entry.perturbed_relative_l2 or 0.0, LEAST_ERROR)


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
        return Check("no NaN or Inf", "not run", reason="the candidate shows its composite only")
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


def _composition_share(metrics: Sequence[CaseMetrics], limit: float) -> Check:
    values = sum(entry.hole_values or 0 for entry in metrics)
    share = sum(entry.composition_errors or 0 for entry in metrics) / max(values, 1)
    most = max(metrics, key=lambda entry: entry.composition_errors or 0).case
    title = "share of composite values that do not follow from output"
    return _check(title, share <= limit, share, limit, f"most in {most}")


def _known(metrics: Sequence[CaseMetrics]) -> Check:
    check = _all("known pixels bit-identical", metrics, "known_equal")
    worst = max((entry.known_difference or 0 for entry in metrics), default=0)
    return replace(check, reason=f"{check.reason}, by up to {worst}/255") if check.result == "fail" else check


def _judge_fp32_composites(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    well = [entry for entry in metrics if (entry.perturbed_levels or 0) <= WELL_CONDITIONED_FP32]
    title = "largest composite difference in holes, 1/255"
    if not well:
        return [Check(title, "not run", reason="the network magnifies rounding beyond any image in every case")]
    return [_worst(title, well, "max_difference", tolerances.fp32_difference)]


def _judge_composites(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    well = [entry for entry in metrics if (entry.perturbed_levels or 0) <= WELL_CONDITIONED]
    ill = [entry for entry in metrics if (entry.perturbed_levels or 0) > WELL_CONDITIONED]
    title = "largest composite difference in holes, 1/255"
    checks = (
        [_worst(title, well, "max_difference", tolerances.max_difference), *_statistics(well, tolerances)]
        if well
        else []
    )
    if ill:
        excess, case = max((_excess(entry), entry.case) for entry in ill)
        worst = max(entry.perturbed_levels or 0 for entry in ill)
        checks.append(
            Check(
                "PSNR below that of rounded weights alone, dB", "pass" if excess <= tolerances.excess else "fail",
                excess, tolerances.excess,
                f"worst in {case}; {len(ill)} of {len(metrics)} cases are ill-conditioned and judged by this: rounded "
                f"weights alone are off by up to {worst:.3g}/255 there",
            )
        )  # fmt: skip
    return checks


def _excess(entry: CaseMetrics) -> float:
    """Decibels between the error of rounded weights alone and the candidate's; negative if the candidate is better."""
    values = entry.hole_values or 0
    return psnr(entry.perturbed_squared_error or 0.0, values) - psnr(entry.squared_error or 0.0, values)


def _statistics(metrics: Sequence[CaseMetrics], tolerances: Tolerances) -> list[Check]:
    """Share, PSNR and mean of enough values, see `statistics.py`."""
    titles = ("share of hole values within 1/255", "PSNR in holes, dB", "mean composite difference in holes, 1/255")
    groups, whole = large_enough(metrics), everything(metrics)
    if whole.values < ENOUGH:
        words = f"the well-conditioned cases have {whole.values} hole values ({whole.name}), fewer than {ENOUGH}"
        return [Check(title, "not run", reason=words) for title in titles]
    groups = groups or [whole]
    share = min(groups, key=lambda group: group.share_within_one)
    noisy = min(groups, key=lambda group: group.psnr)
    mean = abs(whole.mean)
    return [
        _check(titles[0], share.share_within_one >= tolerances.within_one, share.share_within_one,
               tolerances.within_one, f"worst in {share.name}"),
        _check(titles[1], noisy.psnr >= tolerances.psnr, noisy.psnr, tolerances.psnr, f"worst in {noisy.name}"),
        _check(titles[2], mean <= tolerances.mean_difference, mean, tolerances.mean_difference, whole.name),
    ]  # fmt: skip


def _check(title: str, good: bool, value: float, limit: float, words: str) -> Check:
    return Check(title, "pass" if good else "fail", value, limit, words)

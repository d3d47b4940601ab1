"""Where FP16 loses accuracy; and which nodes to keep in FP32 so that the limits are met.

What nodes add is the error of the network's output when only they compute in FP16. The nodes that add most are searched
by groups: neighbours are tried together, and only groups that add much are split. The search for a set to keep takes
groups in that order until the checks pass on the worst cases, and then leaves out what it can, groups first. Both end
when their time is over, and say what they did not try.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.errors import UsageError

from ..candidates.parity import STRICT, Candidate, Values, inputs_for
from ..candidates.strict_fp16 import StrictFp16
from ..cases.batches import Batch
from ..cases.expected import Expected
from ..cases.job import Job, OnProgress, Plan
from .checks import fp16_error, judge
from .comparison import compare
from .findings import ValidationReport
from .metrics import CaseMetrics, relative_l2
from .tolerances import Tolerances

LISTED = 10
"""Nodes that are listed."""

WORST = 4
"""Batches that a set of nodes is tried on: those on which FP16 is worst."""

GROUPS = 16
"""Groups that the search begins with."""

SEARCHING = "finding the nodes that add most error"

STEPS = 5
"""Times that the remaining time is said, at most, in words of each search."""

DRIFT_SHARE = 0.4
"""Share of the time that looking for the nodes that add most may take, where a set is searched as well."""


class Clock:
    """The time that is left of a search; it tells progress as it is asked."""

    def __init__(self, minutes: float, on_progress: OnProgress):
        self._begin, self._seconds, self._on_progress = time.monotonic(), 60 * minutes, on_progress
        self._what, self._said = "", 0.0

    def is_over(self, what: str, share: float = 1.0) -> bool:
        """Whether so large a share of the time is over; says what runs, and the time that remains."""
        gone = time.monotonic() - self._begin
        left = self._seconds * share - gone
        step = self._seconds / STEPS
        if what != self._what or left <= self._said - step:
            self._what, self._said = what, left
        words = f"{what}, at most {max(math.ceil(self._said / 10) * 10, 0)} seconds more"
        self._on_progress(words, min(gone / (self._seconds * share), 1.0))
        return left <= 0


@dataclass(order=True)
class Group:
    """Nodes that stand next to each other, and the error that they add together."""

    added: float
    numbers: tuple[int, ...] = field(compare=False)


def find_drift(
    job: Job, plan: Plan, report: ValidationReport, *, suggest: bool, minutes: float, on_progress: OnProgress
) -> dict[str, Any]:
    """The nodes that add most error, and with `suggest` a small set of names for `--keep-fp32`.

    Args:
        job: the bundle and its network; it holds an FP32 and an FP16 model.
        plan: the cases.
        report: of the validation of these cases, which says which are worst and what the limits are.
        suggest: whether to search for nodes to keep.
        minutes: after which both searches end.
        on_progress: called with what runs and the share of the time that is over, 0..1.
    """
    fp32, fp16 = (
        ir.from_proto(onnx.load_from_string(job.bundle.file(job.bundle.onnx(name)))) for name in ("fp32", "fp16")
    )
    switched = StrictFp16(fp16, ("output", "updated_mask"), fp32)
    if not switched.nodes:
        raise UsageError("--drift: no node of the FP16 model computes in FP16; the report says why")
    clock = Clock(minutes, on_progress)
    worst = _worst_batches(report, plan.batches)
    inputs = inputs_for(job.bundle, job.reference.run(worst[0]))
    everything = tuple(range(len(switched.nodes)))
    exact = switched.run(inputs, everything).outputs["output"]

    def added(numbers: Sequence[int]) -> float:
        kept = sorted(set(everything) - set(numbers))
        return relative_l2(switched.run(inputs, kept).outputs["output"], exact)

    found, rest = _search(added, everything, clock, DRIFT_SHARE if suggest else 1.0)
    listed = [group.numbers[0] for group in found[:LISTED]]
    errors = _errors_after(switched, inputs, listed)
    result: dict[str, Any] = {
        "case": worst[0].names[0],
        "nodes": [
            {"node": switched.nodes[n].words, "name": switched.nodes[n].keep, "added": group.added, "error": errors[n]}
            for n, group in zip(listed, found, strict=False)
        ],
        "not_tried": _words_of_rest(found, rest),
    }
    if suggest:
        trial = _Trial(job, switched, [job.reference.run(batch) for batch in worst], report.tolerances.limits)
        order = sorted([*found, *rest], key=lambda group: -group.added / len(group.numbers) ** 0.5)
        result |= _suggest(trial, [group.numbers for group in order], clock)
    return result


def _search(
    added: Callable[[Sequence[int]], float], numbers: tuple[int, ...], clock: Clock, share: float
) -> tuple[list[Group], list[Group]]:
    """Single nodes, those that add most first, and the groups that were not split further."""
    size = -(-len(numbers) // GROUPS)
    pieces = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    groups: list[Group] = []
    for piece in pieces:
        clock.is_over(SEARCHING, share)  # for its progress: fewer groups would say nothing
        groups.append(Group(added(piece), piece))
    found: list[Group] = []
    while groups and not clock.is_over(SEARCHING, share):
        best = max(groups)
        if len(found) >= LISTED and best.added <= sorted(found)[-LISTED].added:
            break  # groups add what their nodes add, so none of the rest belongs among the first
        groups.remove(best)
        if len(best.numbers) == 1:
            found.append(best)
            continue
        middle = len(best.numbers) // 2
        groups += [Group(added(half), half) for half in (best.numbers[:middle], best.numbers[middle:])]
    singles = [group for group in groups if len(group.numbers) == 1]
    rest = [group for group in groups if len(group.numbers) > 1]
    return sorted([*found, *singles], reverse=True), sorted(rest, reverse=True)


def _words_of_rest(found: Sequence[Group], rest: Sequence[Group]) -> str:
    if not rest:
        return ""
    nodes = sum(len(group.numbers) for group in rest)
    listed = min((group.added for group in found[:LISTED]), default=0.0)
    more = "could belong among these" if rest[0].added > listed or len(found) < LISTED else "add less than these"
    return f"{nodes} nodes were tried in {len(rest)} groups only, which add up to {rest[0].added:.2e} and {more}"


def _worst_batches(report: ValidationReport, batches: Sequence[Batch]) -> list[Batch]:
    strict = next(candidate for candidate in report.candidates if candidate.name == STRICT)
    errors = {case.case: _severity(case) for case in strict.cases}
    return sorted(batches, key=lambda batch: -max(errors.get(name, 0.0) for name in batch.names))[:WORST]


def _severity(case: CaseMetrics) -> float:
    return float("inf") if case.finite is False else fp16_error(case)


def _errors_after(switched: StrictFp16, inputs: dict[str, NDArray[Any]], numbers: Sequence[int]) -> dict[int, float]:
    """The relative error of each node's result with everything in FP16."""
    everything = range(len(switched.nodes))
    names = [switched.nodes[number].value for number in numbers]
    exact, half = (switched.evaluate(names, inputs, kept) for kept in (everything, ()))
    return {number: relative_l2(h, e) for number, h, e in zip(numbers, half, exact, strict=True)}


def _suggest(trial: "_Trial", order: Sequence[tuple[int, ...]], clock: Clock) -> dict[str, Any]:
    if trial.passes([]):
        words = "The limits are met with every node in FP16: there is nothing to keep in FP32."
        return {"keep_fp32": [], "suggestion": words}
    if not trial.passes(_flat(order)):
        words = (
            "No set of nodes helps: the checks fail with every node in FP32 as well, so rounding is not what is wrong."
        )
        return {"keep_fp32": None, "suggestion": words}
    low, high = 0, len(order)  # the first `high` groups pass, the first `low` do not
    while high - low > 1 and not clock.is_over("searching for nodes to keep in FP32"):
        middle = (low + high) // 2
        low, high = (low, middle) if trial.passes(_flat(order[:middle])) else (middle, high)
    kept, untried = _leave_out(trial, list(order[:high]), clock)
    names = [trial.nodes[number].keep for number in kept]
    options = " ".join(f"--keep-fp32 {name}" for name in names)
    sure = "none of which can be left out"
    if untried:
        sure = f"of which {untried} were not tried to be left out: the time was over (more with --minutes)"
    words = f"The limits are met on the worst cases with these {len(names)} nodes in FP32, {sure}: {options}"
    return {"keep_fp32": names, "suggestion": words}


def _leave_out(trial: "_Trial", groups: list[tuple[int, ...]], clock: Clock) -> tuple[list[int], int]:
    """The nodes that are needed, and how many of them were not tried by themselves; large groups are tried first."""
    needed: list[int] = []
    waiting = list(groups)
    while waiting:
        if clock.is_over("leaving out what need not be kept"):
            return needed + _flat(waiting), len(_flat(waiting))
        group = waiting.pop()  # what adds least first
        if trial.passes(needed + _flat(waiting)):
            continue
        if len(group) == 1:
            needed += group
        else:
            middle = len(group) // 2
            waiting += [group[:middle], group[middle:]]
    return needed, 0


def _flat(groups: Sequence[tuple[int, ...]]) -> list[int]:
    return [number for group in groups for number in group]


class _Trial:
    """The checks of FP16 on some batches, with nodes in FP32."""

    def __init__(self, job: Job, switched: StrictFp16, expected: Sequence[Expected], limits: Tolerances):
        self._job, self._switched, self._expected, self._limits = job, switched, expected, limits
        deployed = job.bundle.interface
        inner = ("output", "updated_mask") if deployed.updated_mask_output is not None else ("output",)
        shows = tuple(dict.fromkeys((*deployed.outputs, *inner)))
        self._candidate = Candidate("switched", "fp16", None, shows, _not_opened)

    @property
    def nodes(self) -> Any:
        """The nodes that can be kept."""
        return self._switched.nodes

    def passes(self, kept: Sequence[int]) -> bool:
        """Whether the checks pass on every batch with these nodes in FP32; the first that fails ends it."""
        metrics: list[CaseMetrics] = []
        has_mask = self._job.bundle.interface.updated_mask_output is not None
        for expected in self._expected:
            found = self._switched.run(inputs_for(self._job.bundle, expected), kept).outputs
            finite = all(np.isfinite(value).all() for value in found.values() if value.dtype == np.float32)
            values = Values(found, None if finite else "a result")
            compared = compare(self._candidate, values, expected, self._job.reference, self._limits)
            metrics += [image.metrics for image in compared]
            checks = judge(metrics, "fp16", self._limits, has_mask, len(metrics))
            if any(check.result == "fail" for check in checks):
                return False
        return True


def _not_opened() -> Any:
    raise NotImplementedError("a trial is run by its switches")

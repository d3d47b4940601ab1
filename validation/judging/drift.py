"""Where FP16 loses accuracy, node by node; and which nodes to keep in FP32 so that a tolerance is met.

What a node adds is the error of the network's output when this node alone computes in FP16. The search for a set to
keep takes the nodes that add most until the checks pass on the worst cases, and then leaves out every one it can.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.errors import UsageError

from ..candidates.candidates import STRICT, Candidate, Values, inputs_for
from ..candidates.switched_fp16 import SwitchedFp16
from ..cases.cases import Batch, Reference
from ..cases.job import Job, Plan
from ..reports.report import ValidationReport
from .checks import fp16_error, judge
from .comparison import compare
from .metrics import CaseMetrics, relative_l2
from .tolerances import Tolerances

LISTED = 10
"""Nodes that are listed."""

WORST = 4
"""Batches that a set of nodes is tried on: those on which FP16 is worst."""


def find_drift(
    job: Job, plan: Plan, report: ValidationReport, suggest: bool, on_step: Callable[[float], None]
) -> dict[str, Any]:
    """The nodes that add most error, and with `suggest` the smallest set of names for `--keep-fp32` that was found.

    Args:
        job: the bundle and its network.
        plan: the cases.
        report: of the validation of these cases, which says which are worst and what the limits are.
        suggest: whether to search for nodes to keep.
        on_step: called with the share done, 0..1.

    Raises:
        UsageError: if the bundle holds no FP32 or no FP16 model.
    """
    if not {"fp32", "fp16"} <= set(job.bundle.precisions()):
        raise UsageError("--drift compares FP16 with FP32, and the bundle holds one of them; export both")
    single, half = (
        ir.from_proto(onnx.load_from_string(job.bundle.file(job.bundle.onnx(name)))) for name in ("fp32", "fp16")
    )
    switched = SwitchedFp16(half, single, ("output", "updated_mask"))
    worst = _worst_batches(report, plan.batches)
    reference = job.reference.run(worst[0])
    inputs = inputs_for(job.bundle, reference)
    everything = list(range(len(switched.nodes)))
    exact = switched.run(inputs, everything, ["output"])["output"]
    added = []
    for number in everything:
        others = [other for other in everything if other != number]
        added.append(relative_l2(switched.run(inputs, others, ["output"])["output"], exact))
        on_step((number + 1) / len(everything) * (0.5 if suggest else 1.0))
    order = sorted(everything, key=lambda number: -added[number])
    errors = _errors_after(switched, inputs, order[:LISTED])
    result: dict[str, Any] = {
        "case": worst[0].names[0],
        "nodes": [
            {"node": switched.nodes[n].words, "name": switched.nodes[n].keep, "added": added[n], "error": errors[n]}
            for n in order[:LISTED]
        ],
    }
    if suggest:
        result |= _suggest(job, switched, worst, order, report.tolerances.limits, lambda s: on_step(0.5 + s / 2))
    return result


def _worst_batches(report: ValidationReport, batches: Sequence[Batch]) -> list[Batch]:
    strict = next(candidate for candidate in report.candidates if candidate.name == STRICT)
    errors = {case.case: _severity(case) for case in strict.cases}
    return sorted(batches, key=lambda batch: -max(errors.get(name, 0.0) for name in batch.names))[:WORST]


def _severity(case: CaseMetrics) -> float:
    return float("inf") if case.finite is False else fp16_error(case)


def _errors_after(switched: SwitchedFp16, inputs: dict[str, NDArray[Any]], numbers: Sequence[int]) -> dict[int, float]:
    """The relative error of each node's result with everything in FP16."""
    everything = range(len(switched.nodes))
    names = {number: switched.nodes[number].value for number in numbers}
    exact = switched.run(inputs, list(everything), list(names.values()))
    half = switched.run(inputs, [], list(names.values()))
    return {number: relative_l2(half[name], exact[name]) for number, name in names.items()}


def _suggest(
    job: Job, switched: SwitchedFp16, worst: Sequence[Batch], order: Sequence[int], limits: Tolerances,
    on_step: Callable[[float], None],
) -> dict[str, Any]:  # fmt: skip
    trial = _Trial(job, switched, [job.reference.run(batch) for batch in worst], limits)
    if trial.passes([]):
        words = "The limits are met with every node in FP16: there is nothing to keep in FP32."
        return {"keep_fp32": [], "suggestion": words}
    if not trial.passes(order):
        words = (
            "No set of nodes helps: the checks fail with every node in FP32 as well, so rounding is not what is wrong."
        )
        return {"keep_fp32": None, "suggestion": words}
    low, high = 0, len(order)  # the first `high` pass, the first `low` do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if trial.passes(order[:middle]) else (middle, high)
    kept = list(order[:high])
    for done, number in enumerate(reversed(order[:high])):
        without = [each for each in kept if each != number]
        if trial.passes(without):
            kept = without
        on_step((done + 1) / high)
    names = [switched.nodes[number].keep for number in kept]
    options = " ".join(f"--keep-fp32 {name}" for name in names)
    words = f"The limits are met on the worst cases with these in FP32, none of which can be left out: {options}"
    return {"keep_fp32": names, "suggestion": words}


class _Trial:
    """The checks of FP16 on some batches, with nodes in FP32."""

    def __init__(self, job: Job, switched: SwitchedFp16, references: Sequence[Reference], limits: Tolerances):
        self._job, self._switched, self._references, self._limits = job, switched, references, limits
        deployed = job.bundle.interface
        inner = ("output", "updated_mask") if deployed.updated_mask_output is not None else ("output",)
        shows = tuple(dict.fromkeys((*deployed.outputs, *inner)))
        self._candidate = Candidate("switched", "fp16", None, shows, _not_opened)

    def passes(self, kept: Sequence[int]) -> bool:
        metrics: list[CaseMetrics] = []
        for reference in self._references:
            found = self._switched.run(inputs_for(self._job.bundle, reference), kept, self._candidate.shows)
            finite = all(np.isfinite(value).all() for value in found.values() if value.dtype == np.float32)
            values = Values(found, None if finite else "a result")
            compared = compare(self._candidate, values, reference, self._job.reference)
            metrics += [picture.metrics for picture in compared]
        has_mask = self._job.bundle.interface.updated_mask_output is not None
        checks = judge(metrics, "fp16", self._limits, has_mask, len(metrics))
        return all(check.result != "fail" for check in checks)


def _not_opened() -> Any:
    raise NotImplementedError("a trial is run by its switches")

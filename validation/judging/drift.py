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

from ..candidates.parity import STRICT, Candidate, Values, inputs_for
from ..candidates.strict_fp16 import StrictFp16
from ..cases.batches import Batch
from ..cases.expected import Expected
from ..cases.job import Job, Plan
from .checks import fp16_error, judge
from .comparison import compare
from .findings import ValidationReport
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
    switched = StrictFp16(half, ("output", "updated_mask"), single)
    worst = _worst_batches(report, plan.batches)
    inputs = inputs_for(job.bundle, job.reference.run(worst[0]))
    everything = list(range(len(switched.nodes)))
    exact = switched.run(inputs, everything).outputs["output"]
    added = []
    for number in everything:
        others = [other for other in everything if other != number]
        added.append(relative_l2(switched.run(inputs, others).outputs["output"], exact))
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


def _errors_after(switched: StrictFp16, inputs: dict[str, NDArray[Any]], numbers: Sequence[int]) -> dict[int, float]:
    """The relative error of each node's result with everything in FP16."""
    everything = range(len(switched.nodes))
    names = [switched.nodes[number].value for number in numbers]
    exact, half = (switched.evaluate(names, inputs, kept) for kept in (everything, ()))
    return {number: relative_l2(h, e) for number, h, e in zip(numbers, half, exact, strict=True)}


def _suggest(
    job: Job, switched: StrictFp16, worst: Sequence[Batch], order: Sequence[int], limits: Tolerances,
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

    def __init__(self, job: Job, switched: StrictFp16, expected: Sequence[Expected], limits: Tolerances):
        self._job, self._switched, self._expected, self._limits = job, switched, expected, limits
        deployed = job.bundle.interface
        inner = ("output", "updated_mask") if deployed.updated_mask_output is not None else ("output",)
        shows = tuple(dict.fromkeys((*deployed.outputs, *inner)))
        self._candidate = Candidate("switched", "fp16", None, shows, _not_opened)

    def passes(self, kept: Sequence[int]) -> bool:
        metrics: list[CaseMetrics] = []
        for expected in self._expected:
            found = self._switched.run(inputs_for(self._job.bundle, expected), kept).outputs
            finite = all(np.isfinite(value).all() for value in found.values() if value.dtype == np.float32)
            values = Values(found, None if finite else "a result")
            compared = compare(self._candidate, values, expected, self._job.reference)
            metrics += [image.metrics for image in compared]
        has_mask = self._job.bundle.interface.updated_mask_output is not None
        checks = judge(metrics, "fp16", self._limits, has_mask, len(metrics))
        return all(check.result != "fail" for check in checks)


def _not_opened() -> Any:
    raise NotImplementedError("a trial is run by its switches")

"""Every candidate over the cases: PyTorch runs once for each batch, and all candidates are compared with that."""

import logging
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError, BundleError, NetworkError

from ..candidates.parity import TORCH_FP16, Candidate, Opened, Values, find_candidates
from ..cases.batches import Batch
from ..cases.expected import Expected
from ..cases.job import Job, OnProgress, Plan
from .checks import LEAST_ERROR, Check, fp16_error, judge, verdict
from .comparison import ComparedImage, WrongTensorError, compare
from .findings import CandidateReport, ValidationReport, describe_check
from .metrics import NOTHING, relative_l2, similarity
from .provenance import check_provenance
from .stored import environment
from .tolerances import ChosenTolerances, Tolerances

IMAGES_KEPT = 3
"""Worst cases of each candidate that are kept to look at."""

LEVELS = 8
"""Differences of this many levels or more are counted together."""


log = logging.getLogger("inpaintrt")


@dataclass(eq=False)
class _Running:
    """A candidate that was opened, its report, and the batches it runs on."""

    candidate: Candidate
    report: CandidateReport
    opened: Opened
    batches: tuple[Batch, ...]

    @property
    def cases(self) -> int:
        """How many images are compared."""
        return sum(len(batch.names) for batch in self.batches)


def run_job(job: Job, plan: Plan, tolerances: ChosenTolerances, on_progress: OnProgress) -> ValidationReport:
    """Run and judge every candidate; nothing is written."""
    with ExitStack() as stack:
        candidates, running = _open_all(job, plan, stack)
        _run_all(job, plan, running, tolerances.limits, on_progress)
    for candidate in candidates:
        _add_similarity(candidate)
    report = ValidationReport(
        bundle=job.bundle,
        candidates=candidates,
        tolerances=tolerances,
        seed=plan.seed,
        images=plan.words,
        environment=environment(),
        work=job.reference.work.in_passes(job.bundle.interface.profile),
    )
    provenance: dict[str, list[Check]] = {}
    artifacts = {artifact.path: artifact for artifact in job.bundle.artifacts}
    expected = {id(entry.report): entry for entry in running}
    for candidate in sorted(report.candidates, key=lambda candidate: candidate.precision, reverse=True):  # fp32 first
        if candidate.artifact and candidate.artifact not in provenance:
            fp32_failed = any(each.precision == "fp32" and each.result == "fail" for each in report.candidates)
            artifact = artifacts[candidate.artifact]
            provenance[candidate.artifact] = check_provenance(job.bundle, artifact, fp32_failed)
        own = provenance[candidate.artifact] if candidate.artifact else []
        _judge(candidate, own, job.bundle, tolerances.limits, expected.get(id(candidate)))
    return report


def _open_all(job: Job, plan: Plan, stack: ExitStack) -> tuple[list[CandidateReport], list[_Running]]:
    """Reports of all candidates, and those that could be opened; the stack closes them."""
    reports, running = [], []
    for candidate in find_candidates(job.bundle, job.reference):
        report, opened = _start(candidate)
        reports.append(report)
        if opened is None:
            continue
        stack.callback(_close, report.name, opened)
        batches = plan.telling if candidate.partly else plan.batches
        running.append(_Running(candidate, report, opened, batches if report.judged else plan.for_comparison))
    return reports, running


def _close(name: str, opened: Opened) -> None:
    try:
        opened.close()
    except BackendError as error:  # what was found stays true
        log.warning("%s could not be closed: %s", name, error)


def _run_all(job: Job, plan: Plan, running: Sequence[_Running], limits: Tolerances, on_progress: OnProgress) -> None:
    """Run PyTorch once for each batch, and every candidate on it until it breaks."""
    broken: list[_Running] = []
    for number, batch in enumerate(plan.batches):
        on_progress("comparing with PyTorch on the mask corpus", number / len(plan.batches))
        expected = job.reference.run(batch)
        if number == 0:
            job.reference.refuse_randomness(batch, expected.output)
        for entry in running:
            if entry in broken or all(batch is not each for each in entry.batches):
                continue
            report = entry.report
            try:
                _run(entry, job, expected, limits)
            except (BundleError, NetworkError):
                raise
            except Exception as error:  # a candidate that breaks has failed; the others go on
                what = f"{'' if isinstance(error, WrongTensorError) else 'broke: '}{_first_line(error)}"
                report.reason = f"{what} (in {batch.names[0]})"
                report.result = "fail" if report.judged else "not run"
                broken.append(entry)


def _run(entry: _Running, job: Job, expected: Expected, limits: Tolerances) -> None:
    """One batch; the first one twice."""
    report, work = entry.report, job.reference.work
    values = entry.opened.run(expected)
    work.add(report.name, expected.batch)
    if report.judged and not report.cases:
        report.checks.append(_same_again(values, entry.opened.run(expected), expected.batch.names[0]))
        work.add(report.name, expected.batch)
    _collect(report, compare(entry.candidate, values, expected, job.reference, limits, report.cases))


def _same_again(values: Values, again: Values, case: str) -> Check:
    """A candidate that draws random numbers can be right by chance."""
    worst = 0.0
    for name, value in values.tensors.items():
        other = again.tensors[name]
        if value.dtype == np.uint8:
            difference = np.abs(value.astype(np.int64) - other).max(initial=0) - 1  # rounding can go either way
            worst = max(worst, float(difference) / 255)
        elif not np.array_equal(value, other, equal_nan=True):
            difference = relative_l2(np.nan_to_num(other), np.nan_to_num(value))
            worst = max(worst, difference)
    title = "the same result when run again, relative L2"
    words = f"two runs on {case} differ: it draws random numbers, or keeps something from run to run"
    return Check(title, "fail" if worst > LEAST_ERROR else "pass", worst, LEAST_ERROR, words if worst > 0 else "")


def _add_similarity(report: CandidateReport) -> None:
    """SSIM takes as long as a small network, so only what is looked at has it."""
    for index, image in enumerate(report.worst):
        in_hole, whole = similarity(image.found, image.expected, image.hole)
        metrics = replace(image.metrics, ssim_hole=in_hole, ssim_image=whole)
        report.cases[report.cases.index(image.metrics)] = metrics
        report.worst[index] = replace(image, metrics=metrics)


def _start(candidate: Candidate) -> tuple[CandidateReport, Opened | None]:
    artifact = candidate.artifact
    report = CandidateReport(
        candidate.name, candidate.precision, artifact.path if artifact else None, artifact.sha256 if artifact else None,
        judged=candidate.name != TORCH_FP16, errors=[0] * (LEVELS + 1),
    )  # fmt: skip
    try:
        return report, candidate.open()
    except BackendError as error:
        report.reason = str(error)
    except Exception as error:  # the artifact is there and unaltered but does not load: it fails
        report.result, report.reason = "fail", f"does not load: {_first_line(error)}"
    return report, None


def _collect(report: CandidateReport, compared: Sequence[ComparedImage]) -> None:
    """Keep the metrics of all cases, and the images of the worst."""
    report.cases += [image.metrics for image in compared]
    for image in compared:
        levels = np.abs(image.found[image.hole].astype(np.int64) - image.expected[image.hole])
        counts = np.bincount(np.minimum(levels, LEVELS).ravel(), minlength=LEVELS + 1)
        report.errors = [int(before + now) for before, now in zip(report.errors, counts, strict=True)]
    report.worst = sorted([*report.worst, *compared], key=_badness, reverse=True)[:IMAGES_KEPT]


def _badness(image: ComparedImage) -> tuple[bool, int, float]:
    metrics = image.metrics
    return metrics.finite is False, metrics.known_difference or 0, metrics.squared_error or 0.0


def _judge(
    candidate: CandidateReport, provenance: list[Check], bundle: Bundle, tolerances: Tolerances, ran: _Running | None
) -> None:
    candidate.checks = provenance + candidate.checks
    has_mask = bundle.interface.updated_mask_output is not None
    if not candidate.judged:
        candidate.result = "not run" if candidate.reason else "pass"
    if candidate.cases and ran is not None:
        candidate.checks += judge(
            candidate.cases, candidate.precision, tolerances, has_mask, ran.cases, ran.candidate.partly
        )
    if not candidate.judged:
        return
    failed = [check for check in candidate.checks if check.result == "fail"]
    if candidate.cases and candidate.result != "fail":
        candidate.result = verdict(candidate.checks)
        candidate.hints = _hints(candidate, failed)
        candidate.reason = "; ".join(candidate.hints + [describe_check(check) for check in failed])
    elif failed:
        candidate.result = "fail"
        candidate.broke = candidate.reason
        reasons = [describe_check(check) for check in failed]
        candidate.reason = "; ".join([*reasons, candidate.reason] if candidate.reason else reasons)


def _hints(candidate: CandidateReport, failed: Sequence[Check]) -> list[str]:
    """What the differences look like, and where FP16 underflows; for a candidate that failed."""
    if not failed:
        return []
    looked = [(case.case, case.resembles) for case in candidate.cases if case.resembles]
    hints = []
    # On one mask a mistake can look like another: a checkerboard that is shifted by a pixel is inverted.
    for kind in dict.fromkeys(_kind(words) for _, words in looked if words != NOTHING):
        same = [(case, words) for case, words in looked if _kind(words) == kind]
        if 2 * len(same) >= len(looked):
            more = f", and in {len(same) - 1} more" if len(same) > 1 else ""
            hints.append(f"{same[0][1]} (first in {same[0][0]}{more})")
    finite = all(case.finite is not False for case in candidate.cases)
    worst = max(candidate.cases, key=fp16_error)
    if finite and worst.underflow_at:
        hints.append(f"FP16 underflows where it matters, first at {worst.underflow_at} (in {worst.case})")
    return hints


def _kind(words: str) -> str:
    """What a difference looks like, without its numbers."""
    return re.sub(r"-?\d[\d.e+-]*", "", words)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

"""`validate`: the gate between a trained network and production."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from inpaintrt.runtime.bundle import Bundle, discard_reports
from inpaintrt.runtime.errors import BackendError, BundleError

from .candidates.parity import TORCH_FP16, Candidate, Runs, find_candidates
from .cases.job import Job, OnProgress, Plan, make_plan, open_job
from .judging.baseline import compare_with_baseline
from .judging.checks import Check, fp16_error, judge, verdict
from .judging.comparison import ComparedImage, WrongTensorError, compare
from .judging.findings import CandidateReport, ValidationReport, describe_check
from .judging.provenance import check_provenance
from .judging.stored import LATENCY, PAGES, PARITY, environment, plain_json, store_json
from .judging.tolerances import ChosenTolerances, Tolerances, choose_tolerances

IMAGES_KEPT = 3
"""Worst cases of each candidate that are kept to look at."""

LEVELS = 8
"""Differences of this many levels or more are counted together."""


@dataclass(frozen=True)
class Extras:
    """What a validation does besides comparing.

    Args:
        html: write `report.html` and `report.md`.
        latency: measure latency, and write `latency.json`.
        drift: list the nodes that add most error in FP16.
        suggest: search for names to keep in FP32; brings `drift`.
        baseline: a stored `parity.json` that nothing may be worse than.
        margin: by how much it may: 0.5 is half as much error again.
    """

    html: bool = False
    latency: bool = False
    drift: bool = False
    suggest: bool = False
    baseline: Path | None = None
    margin: float = 0.5


def validate(
    bundle: str | Path,
    *,
    network: nn.Module | str | None = None,
    checkpoint: Path | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    seed: int = 0,
    tolerances: Tolerances | Sequence[str] | None = None,
    extras: Extras = Extras(),
    on_progress: OnProgress = lambda _, __: None,
) -> ValidationReport:
    """Compare every artifact of a bundle with PyTorch in FP32 on the mask corpus, and write `reports/parity.json`.

    Args:
        bundle: directory of the bundle.
        network: the network it was exported from, or its factory as `FILE.py:FACTORY`; None if the bundle names a
            checkpoint.
        checkpoint: where its checkpoint is now, if it moved.
        images: an image or a folder of images to validate on; synthetic ones if None.
        masks: a mask or a folder of masks (white = hole) to validate on besides the corpus; each goes with the image
            of the same name, if there is one.
        seed: of masks and synthetic images.
        tolerances: the bundle's own if None, else the design's; or changes to those, as `NAME=VALUE`.
        extras: what else to do.
        on_progress: called with the name of what runs and the share done, 0..1.

    Raises:
        BundleError: if the bundle or one of its files is missing or altered.
        NetworkError, CheckpointError: if the network cannot be had, or its weights are not the exported ones.
        ImageError: if an image or mask cannot be read, or they do not fit each other.
        UsageError: if a tolerance is unknown, or the baseline is of other cases.
    """
    with open_job(bundle, network=network, checkpoint=checkpoint) as job:
        if isinstance(tolerances, Tolerances):
            limits = ChosenTolerances(tolerances, "the caller")
        else:
            limits = choose_tolerances(job.bundle.path, tolerances or ())
        plan = make_plan(job.bundle, images, masks, seed)
        report = run_job(job, plan, limits, on_progress)
        if extras.baseline is not None:
            report.extras["baseline"] = compare_with_baseline(report, extras.baseline, extras.margin)
        if extras.drift or extras.suggest:
            from .judging.drift import find_drift  # only where it is asked for

            drift = find_drift(job, plan, report, extras.suggest, lambda share: on_progress("finding drift", share))
            report.extras["drift"] = plain_json(drift)
        if extras.latency:
            from .latency.measure import measure_latency  # only where it is asked for

            report.extras["latency"] = plain_json(measure_latency(job, on_progress=on_progress))
            store_json(job.bundle, LATENCY, report.extras["latency"])
    # A page of an earlier run must not lie beside the verdict of this one.
    discard_reports(report.bundle.path, PAGES)
    store_json(report.bundle, PARITY, report.to_dict())
    if extras.html:
        from .reports.render import write_report  # jinja2 and matplotlib only where a page is drawn

        write_report(report)
    return report


def run_job(job: Job, plan: Plan, tolerances: ChosenTolerances, on_progress: OnProgress) -> ValidationReport:
    """Run and judge every candidate; nothing is written."""
    report = ValidationReport(
        bundle=job.bundle,
        candidates=_run_all(job, plan, on_progress),
        tolerances=tolerances,
        seed=plan.seed,
        images=plan.words,
        environment=environment(),
    )
    provenance: dict[str, list[Check]] = {}
    artifacts = {artifact.path: artifact for artifact in job.bundle.artifacts}
    for candidate in sorted(report.candidates, key=lambda candidate: candidate.precision, reverse=True):  # fp32 first
        if candidate.artifact and candidate.artifact not in provenance:
            fp32_failed = any(each.precision == "fp32" and each.result == "fail" for each in report.candidates)
            artifact = artifacts[candidate.artifact]
            provenance[candidate.artifact] = check_provenance(job.bundle, artifact, fp32_failed)
        own = provenance[candidate.artifact] if candidate.artifact else []
        _judge(candidate, own, job.bundle, tolerances.limits, plan.cases)
    return report


def _run_all(job: Job, plan: Plan, on_progress: OnProgress) -> list[CandidateReport]:
    """Run PyTorch once for each batch, and every candidate on it."""
    reports: list[CandidateReport] = []
    running: list[tuple[Candidate, CandidateReport, Runs]] = []
    for candidate in find_candidates(job.bundle, job.reference):
        report, runner = _start(candidate)
        reports.append(report)
        if runner is not None:
            running.append((candidate, report, runner))
    for number, batch in enumerate(plan.batches):
        on_progress("comparing with PyTorch on the mask corpus", number / len(plan.batches))
        expected = job.reference.run(batch)
        for entry in list(running):
            candidate, report, runner = entry
            try:
                _collect(report, compare(candidate, runner(expected), expected, job.reference))
            except BundleError:
                raise
            except Exception as error:  # a candidate that breaks has failed; the others go on
                what = f"{'' if isinstance(error, WrongTensorError) else 'broke: '}{_first_line(error)}"
                report.reason = f"{what} (in {batch.names[0]})"
                report.result = "fail" if report.judged else "not run"
                running.remove(entry)
    return reports


def _start(candidate: Candidate) -> tuple[CandidateReport, Runs | None]:
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
    candidate: CandidateReport, provenance: list[Check], bundle: Bundle, tolerances: Tolerances, cases: int
) -> None:
    candidate.checks = provenance
    has_mask = bundle.interface.updated_mask_output is not None
    if candidate.cases:
        candidate.checks = provenance + judge(candidate.cases, candidate.precision, tolerances, has_mask, cases)
    if not candidate.judged:
        candidate.result = "not run" if candidate.reason else verdict(candidate.checks)
        return
    failed = [check for check in candidate.checks if check.result == "fail"]
    if candidate.cases and candidate.result != "fail":
        candidate.result = verdict(candidate.checks)
        candidate.reason = "; ".join(_hints(candidate, failed) + [describe_check(check) for check in failed])
    elif failed:
        candidate.result = "fail"
        reasons = [describe_check(check) for check in failed]
        candidate.reason = "; ".join([*reasons, candidate.reason] if candidate.reason else reasons)


def _hints(candidate: CandidateReport, failed: Sequence[Check]) -> list[str]:
    """What the differences look like, and where FP16 underflows; for a candidate that failed."""
    if not failed:
        return []
    seen = [case.resembles for case in candidate.cases if case.resembles]
    hints = [f"{words} (in {seen.count(words)} of {len(candidate.cases)} cases)" for words in dict.fromkeys(seen)][:2]
    finite = all(case.finite is not False for case in candidate.cases)
    worst = max(candidate.cases, key=fp16_error)
    if finite and worst.underflow_at:
        hints.append(f"FP16 underflows where it matters, first at {worst.underflow_at} (in {worst.case})")
    return hints


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

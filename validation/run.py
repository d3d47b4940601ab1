"""`validate`: the gate between a trained network and production."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from inpaintrt.runtime.bundle import discard_reports

from .cases.job import Job, OnProgress, Plan, make_plan, open_job
from .judging.baseline import compare_with_baseline
from .judging.corpus import run_job
from .judging.findings import ValidationReport
from .judging.stored import LATENCY, PAGES, PARITY, plain_json, store_all, to_json
from .judging.tolerances import ChosenTolerances, Tolerances, choose_tolerances
from .preflight import check_files, check_work

MINUTES = 5.0
"""How long `--drift` and `--suggest` search."""


@dataclass(frozen=True)
class Extras:
    """What a validation does besides comparing.

    Args:
        html: write `report.html` and `report.md`.
        latency: measure latency, and write `latency.json`.
        drift: list the nodes that add most error in FP16.
        suggest: search for names to keep in FP32; brings `drift`.
        minutes: after which `drift` and `suggest` end, and say what they did not try.
        baseline: a stored `parity.json` that nothing may be worse than.
        margin: by how much it may: 0.5 is half as much error again.
        junit: where to write JUnit XML.
        gates: names or patterns of gates and mask planes to write images of.
    """

    html: bool = False
    latency: bool = False
    drift: bool = False
    suggest: bool = False
    minutes: float = MINUTES
    baseline: Path | None = None
    margin: float = 0.5
    junit: Path | None = None
    gates: tuple[str, ...] = ()


def validate(
    bundle: str | Path,
    *,
    network: nn.Module | str | None = None,
    checkpoint: Path | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    seed: int = 0,
    quick: bool = False,
    tolerances: Tolerances | Sequence[str] | None = None,
    extras: Extras = Extras(),
    on_progress: OnProgress = lambda _, __: None,
) -> ValidationReport:
    """Compare every artifact of a bundle with PyTorch in FP32 on the mask corpus, and write `reports/parity.json`.

    Everything that can be checked is checked before the first network runs. The reports of an earlier run stay until
    this one is complete.

    Args:
        bundle: directory of the bundle.
        network: the network it was exported from, or its factory as `FILE.py:FACTORY`; None if the bundle names a
            checkpoint.
        checkpoint: where its checkpoint is now, if it moved.
        images: an image or a folder of images to validate on; synthetic ones if None.
        masks: a mask or a folder of masks (non-zero = hole) to validate on besides the corpus; each goes with the image
            of the same name, if there is one.
        seed: of masks and synthetic images.
        quick: only the cases on which the most mistakes show, for a verdict in seconds.
        tolerances: the bundle's own if None, else the design's; or changes to those, as `NAME=VALUE`.
        extras: what else to do.
        on_progress: called with the name of what runs and the share done, 0..1.

    Raises:
        BundleError: if the bundle or one of its files is missing or altered.
        NetworkError, CheckpointError: if the network cannot be had, its weights are not the exported ones, or it draws
            random numbers.
        ImageError: if an image or mask cannot be read, or they do not fit each other.
        UsageError: if a tolerance is unknown, the baseline is of other cases, or what was asked for cannot be done.
    """
    check_files(extras.junit, extras.html, extras.minutes)
    with open_job(bundle, network=network, checkpoint=checkpoint) as job:
        if isinstance(tolerances, Tolerances):
            limits = ChosenTolerances(tolerances, "the caller")
        else:
            limits = choose_tolerances(job.bundle.path, tolerances or ())
        plan = make_plan(job.bundle, images, masks, seed, quick)
        baseline = check_work(
            job.bundle, plan, extras.baseline, drift=extras.drift or extras.suggest, gates=extras.gates
        )
        report = run_job(job, plan, limits, on_progress)
        if baseline is not None:
            report.extras["baseline"] = compare_with_baseline(report, baseline, extras.margin)
        _run_extras(job, plan, report, extras, on_progress)
    _write(report, extras)
    if extras.gates:
        from .reports.feature_maps import write_gates  # only where it is asked for

        report.extras["gates"] = [str(path) for path in write_gates(report.bundle, extras.gates, images, seed)]
    return report


def _run_extras(job: Job, plan: Plan, report: ValidationReport, extras: Extras, on_progress: OnProgress) -> None:
    if extras.drift or extras.suggest:
        from .judging.drift import find_drift  # only where it is asked for

        drift = find_drift(job, plan, report, suggest=extras.suggest, minutes=extras.minutes, on_progress=on_progress)
        report.extras["drift"] = plain_json(drift)
    if extras.latency:
        from .latency.measure import measure_latency  # only where it is asked for

        report.extras["latency"] = plain_json(measure_latency(job, on_progress=on_progress))


def _write(report: ValidationReport, extras: Extras) -> None:
    """All files at once, after the last of them was made: whoever interrupts this run keeps the reports before it."""
    files = {PARITY: to_json(report.to_dict())}
    if extras.latency:
        files[LATENCY] = to_json(report.extras["latency"])
    if extras.html:
        from .reports.render import render_pages  # jinja2 and matplotlib only where a page is drawn

        files |= render_pages(report)
    store_all(report.bundle, files)
    # A page of an earlier run must not lie beside the verdict of this one.
    discard_reports(report.bundle.path, [name for name in PAGES if name not in files])
    if extras.junit is not None:
        from .reports.junit import write_junit

        write_junit(report, extras.junit)

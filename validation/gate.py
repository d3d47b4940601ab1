"""`validate`: the gate between a trained network and production."""

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from inpaintrt.export.deployed import TensorNetwork
from inpaintrt.export.exporter import evaluating
from inpaintrt.export.interface import Interface
from inpaintrt.export.source import check_same_weights, find_again
from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError, BundleError

from .candidates import Candidate, Runner, ShapeError, find_candidates, measure
from .cases import TorchReference, make_batches
from .checks import Check, Result, Tolerances, judge, verdict
from .metrics import CaseMetrics
from .pictures import PictureSource, find_pictures

SCHEMA_VERSION = 1
PACKAGES = ("inpaintrt", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "numpy", "tensorrt", "tensorrt-rtx-cu13")

OnProgress = Callable[[str, float], None]


@dataclass
class CandidateReport:
    """One candidate's result with its checks and cases; `reason` where it could not run or broke."""

    name: str
    artifact: str
    sha256: str
    result: Result
    reason: str
    checks: list[Check]
    cases: list[CaseMetrics]


@dataclass
class ValidationReport:
    """The verdict over all candidates. `passed` is False as soon as one fails, or if none ran."""

    passed: bool
    candidates: list[CandidateReport]
    tolerances: Tolerances
    seed: int
    environment: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The content of `parity.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": "pass" if self.passed else "fail",
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seed": self.seed,
            "tolerances": asdict(self.tolerances),
            "environment": self.environment,
            "candidates": [_finite_numbers(asdict(candidate)) for candidate in self.candidates],
        }


def validate(
    bundle: str | Path,
    *,
    network: nn.Module | str | None = None,
    checkpoint: Path | None = None,
    images: Path | None = None,
    seed: int = 0,
    tolerances: Tolerances | None = None,
    on_progress: OnProgress = lambda _, __: None,
) -> ValidationReport:
    """Compare every artifact of a bundle with PyTorch in FP32 on the mask corpus, and write `reports/parity.json`.

    Args:
        bundle: directory of the bundle.
        network: the network it was exported from, or its factory as `FILE.py:FACTORY`; None if the bundle names a
            checkpoint.
        checkpoint: where its checkpoint is now, if it moved.
        images: a picture or a folder of pictures to validate on; synthetic ones if None.
        seed: of masks and synthetic pictures.
        tolerances: the design's if None.
        on_progress: called with the name of what runs and the share done, 0..1.

    Raises:
        BundleError: if the bundle or one of its files is missing or altered.
        NetworkError, CheckpointError: if the network cannot be had, or its weights are not the exported ones.
    """
    opened = Bundle.open(bundle)
    for artifact in opened.artifacts:
        opened.file(artifact)
    with bundles.stage(opened.path / bundles.REPORTS, "parity.json", b""):
        pass  # a report that cannot be written is better known before the work than after it
    pictures = PictureSource(find_pictures(images), seed)
    if isinstance(network, nn.Module):
        check_same_weights(network, opened.source)
    else:
        network = find_again(opened.source, opened.path, checkpoint, network).network
    try:
        tensor_network = TensorNetwork(network, Interface.from_dict(opened.network))
    except (TypeError, ValueError) as error:
        raise BundleError(f"{opened.path / bundles.DOCUMENT}: {error}; export it again") from None
    with evaluating(network):
        candidates = _run_all(opened, TorchReference(tensor_network, opened), pictures, seed, on_progress)
    report = ValidationReport(
        passed=False,
        candidates=candidates,
        tolerances=tolerances or Tolerances(),
        seed=seed,
        environment=_environment(),
    )
    for candidate in report.candidates:
        _judge(candidate, opened, report.tolerances)
    results = [candidate.result for candidate in report.candidates]
    report.passed = "fail" not in results and "pass" in results
    _write(opened, report)
    return report


def _run_all(
    bundle: Bundle, torch_reference: TorchReference, pictures: PictureSource, seed: int, on_progress: OnProgress
) -> list[CandidateReport]:
    """Run PyTorch once for each batch, and every candidate on it."""
    reports: list[CandidateReport] = []
    running: list[tuple[CandidateReport, Runner]] = []
    for candidate in find_candidates(bundle):
        report, runner = _start(candidate)
        reports.append(report)
        if runner is not None:
            running.append((report, runner))
    batches = list(make_batches(bundle, pictures, seed))
    for number, batch in enumerate(batches):
        on_progress("comparing with PyTorch on the mask corpus", number / len(batches))
        reference = torch_reference.run(batch)
        for entry in list(running):
            report, runner = entry
            try:
                report.cases += measure(runner, reference, torch_reference)
            except Exception as error:  # a candidate that breaks has failed; the others go on
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                what = first if isinstance(error, ShapeError) else f"broke: {first}"
                report.result, report.reason = "fail", f"{what} (in {batch.names[0]})"
                running.remove(entry)
    return reports


def _start(candidate: Candidate) -> tuple[CandidateReport, Runner | None]:
    report = CandidateReport(
        candidate.name, candidate.artifact.path, candidate.artifact.sha256, "not run", "", checks=[], cases=[]
    )
    try:
        return report, candidate.open()
    except BackendError as error:
        report.reason = str(error)
    except Exception as error:  # the artifact is there and unaltered but does not load: it fails
        report.result, report.reason = "fail", f"does not load: {str(error).splitlines()[0]}"
    return report, None


def _judge(candidate: CandidateReport, bundle: Bundle, tolerances: Tolerances) -> None:
    if not candidate.cases or candidate.result == "fail":
        return
    precision = "fp32" if "fp32" in candidate.name else "fp16"
    has_mask = bundle.interface.updated_mask_output is not None
    candidate.checks = judge(candidate.cases, precision, tolerances, has_mask)
    candidate.result = verdict(candidate.checks)
    failed = [check for check in candidate.checks if check.result == "fail"]
    candidate.reason = "; ".join(describe_check(check) for check in failed)


def describe_check(check: Check) -> str:
    """One check in words."""
    value = "" if check.value is None else f" {check.value:.6g}"
    limit = "" if check.limit is None else f" (limit {check.limit:g})"
    return f"{check.name}{value}{limit}{': ' if check.reason else ''}{check.reason}"


def _environment() -> dict[str, Any]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "machine": platform.machine(), "packages": versions}


def _finite_numbers(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: PSNR without any error becomes the string "inf"."""

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: convert(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [convert(item) for item in value]
        if isinstance(value, float) and not np.isfinite(value):
            return str(value)
        return value

    converted: dict[str, Any] = convert(entry)
    return converted


def _write(bundle: Bundle, report: ValidationReport) -> None:
    folder = bundle.path / bundles.REPORTS
    content = json.dumps(report.to_dict(), indent=1, allow_nan=False).encode() + b"\n"
    with bundles.stage(folder, "parity.json", content) as staged:
        staged.replace(folder / "parity.json")

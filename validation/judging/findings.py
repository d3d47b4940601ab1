"""What a validation found: the content of `parity.json` and of the report."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from inpaintrt.runtime.bundle import Bundle

from .checks import Check, Result
from .comparison import ComparedImage
from .metrics import CaseMetrics, psnr
from .stored import plain_json
from .tolerances import ChosenTolerances

SCHEMA_VERSION = 4
"""Of `parity.json`, see docs/validation.md; it rises when an entry goes or means something else."""


@dataclass
class CandidateReport:
    """One candidate's result with its checks and cases; `reason` where it could not run or broke.

    Args:
        name: for the reader.
        precision: `fp32` or `fp16`.
        artifact, sha256: the file, and what it holds; None for PyTorch itself.
        judged: False for what is shown for comparison alone.
        result, reason: `pass`, `fail` or `not run`, and why, in one line.
        hints, broke: parts of the reason: what the differences look like, and the error that ended it.
        checks, cases: what was checked, and the metrics of each case.
        worst: the cases that differ most, to look at; not part of `parity.json`.
        errors: how many composite values in holes differ by 0, 1, 2 ... levels (the last entry: by that or more).
    """

    name: str
    precision: str
    artifact: str | None
    sha256: str | None
    judged: bool = True
    result: Result = "not run"
    reason: str = ""
    hints: list[str] = field(default_factory=list)
    broke: str = ""
    checks: list[Check] = field(default_factory=list)
    cases: list[CaseMetrics] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    worst: list[ComparedImage] = field(default_factory=list)

    def summary(self) -> dict[str, float] | None:
        """`max_difference` (0..255) and `psnr` (dB) of the composites in holes over all cases; None without cases."""
        if not self.cases:
            return None
        squared, values = (sum(getattr(c, name) or 0 for c in self.cases) for name in ("squared_error", "hole_values"))
        return {
            "max_difference": max(case.max_difference or 0 for case in self.cases),
            "psnr": psnr(float(squared), int(values)),
        }

    def to_dict(self) -> dict[str, Any]:
        """The entry of `parity.json`."""
        entry = {name: getattr(self, name) for name in ("name", "precision", "artifact", "sha256", "judged", "result",
                                                        "reason", "errors")}  # fmt: skip
        lists = {"checks": [asdict(check) for check in self.checks], "cases": [asdict(case) for case in self.cases]}
        return plain_json(entry | lists)  # type: ignore[no-any-return]


@dataclass
class ValidationReport:
    """The verdict over all candidates. `passed` is False as soon as one fails, or if none ran.

    Args:
        bundle: what was validated.
        candidates: in the order of the bundle's artifacts.
        tolerances: the limits, and where they are from.
        seed: of masks and images.
        images: what it was validated on, in words.
        environment: see `environment`.
        work: how much ran, see `Work.in_passes`.
    """

    bundle: Bundle
    candidates: list[CandidateReport]
    tolerances: ChosenTolerances
    seed: int
    images: str
    environment: dict[str, Any]
    work: dict[str, Any]
    created: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    extras: dict[str, Any] = field(default_factory=dict)
    """Parts that were asked for besides: `baseline`, `drift`, `latency`; each plain values, ready for JSON."""

    @property
    def passed(self) -> bool:
        """Whether at least one judged candidate ran, none failed, and none got worse than the baseline."""
        results = [candidate.result for candidate in self.candidates if candidate.judged]
        worse = self.extras.get("baseline", {}).get("worse", [])
        return "fail" not in results and "pass" in results and not worse

    def to_dict(self) -> dict[str, Any]:
        """The content of `parity.json`."""
        limits = self.tolerances
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": "pass" if self.passed else "fail",
            "created": self.created,
            "seed": self.seed,
            "images": self.images,
            "source": plain_json(self.bundle.source),
            "tolerances": asdict(limits.limits),
            "tolerances_from": {"source": limits.source, "reason": limits.reason},
            "loosened": [
                {"name": name, "limit": value, "design": design} for name, value, design in limits.limits.loosened()
            ],
            "environment": self.environment,
            "work": plain_json(self.work),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            **plain_json(self.extras),
        }


def describe_check(check: Check) -> str:
    """One check in words."""
    value = "" if check.value is None else f" {check.value:.6g}"
    limit = "" if check.limit is None else f" (limit {check.limit:g})"
    return f"{check.name}{value}{limit}{': ' if check.reason else ''}{check.reason}"

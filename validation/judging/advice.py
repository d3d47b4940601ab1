"""What to do about a validation that failed, for a reader who sees its report for the first time."""

from .findings import CandidateReport, ValidationReport
from .provenance import BELONGS, ROUNDED, SHARE_TITLE


def advise(report: ValidationReport) -> list[str]:
    """One sentence for each kind of failure, what matters most first; nothing if none failed."""
    failed = [candidate for candidate in report.candidates if candidate.judged and candidate.result == "fail"]
    engines = [candidate for candidate in failed if _fails(candidate, BELONGS)]
    models = [candidate for candidate in failed if candidate not in engines]
    advice = []
    if any(candidate.precision == "fp32" for candidate in models):
        advice.append(
            "an FP32 model or engine does not compute what PyTorch does. That is no matter of rounding: export the "
            "network again, and if it stays so, report it with the reports/parity.json of this bundle"
        )
    elif any(_fails(candidate, ROUNDED) or _fails(candidate, SHARE_TITLE) for candidate in models):
        advice.append("the FP16 model is not what the export made of the FP32 model: export the network again")
    elif models:
        advice.append(
            "FP32 is right and FP16 is not. `validate-engines "
            f"{report.bundle.path} --suggest` searches for nodes to keep in FP32; if it says that rounding is not what "
            "is wrong, export the network again"
        )
    if engines:
        advice.append(f"an engine belongs to another model: `build-engines {report.bundle.path}` builds it again")
    return advice


def _fails(candidate: CandidateReport, title: str) -> bool:
    return any(check.name == title and check.result == "fail" for check in candidate.checks)

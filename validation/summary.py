"""What `validate-engines` says on the terminal."""

from inpaintrt.runtime.console import say

from .judging.advice import advise
from .judging.findings import CandidateReport, ValidationReport, describe_check

INDENT = " " * 11


def summarise(report: ValidationReport, html: bool) -> None:
    """The candidates, what else was asked for, and the verdict, which is the last line."""
    for candidate in report.candidates:
        _summarise_candidate(candidate)
    for name, value, design in report.tolerances.limits.loosened():
        say(f"limit loosened: {name} is {value:g} instead of {design:g} ({report.tolerances.source})")
    _summarise_baseline(report)
    _summarise_drift(report)
    for shape in report.extras.get("latency", {}).get("shapes", []):
        say(f"latency of {shape['title']}, milliseconds (50 %, 99 %) and speed-up over the plain export:")
        for name, row in shape["rows"].items():
            times, gain = row["end to end"], row["speed_up"]
            speed_up = f"  {gain:.2f}" if gain else ""
            say(f"{INDENT}{name}: {1000 * times['p50']:.1f}, {1000 * times['p99']:.1f}{speed_up}")
        for words in shape.get("estimates", []):
            say(INDENT + words)
    for path in report.extras.get("gates", []):
        say(path)
    for words in advise(report):
        say(f"what to do: {words}")
    work = report.work
    say(f"work: {work['total']:.0f} forward passes at {work['height']}x{work['width']}, "
        + ", ".join(f"{name} {passes:.3g}" for name, passes in work["passes"].items()))  # fmt: skip
    skipped = sum(candidate.result == "not run" for candidate in report.candidates if candidate.judged)
    note = f" ({skipped} not run)" if skipped else ""
    details = report.bundle.path / "reports" / ("report.html" if html else "parity.json")
    say(f"verdict: {'pass' if report.passed else 'FAIL'}{note}; details in {details}")


def _summarise_baseline(report: ValidationReport) -> None:
    compared = report.extras.get("baseline")
    if compared:
        for line in compared["worse"]:
            say(f"WORSE    {line}")
        say(f"baseline: {compared['compared']} candidates compared, {len(compared['worse'])} changes for the worse")


def _summarise_drift(report: ValidationReport) -> None:
    drift = report.extras.get("drift")
    if not drift:
        return
    say(f"the nodes that add most error in FP16, on {drift['case']}:")
    for row in drift["nodes"]:
        say(f"{INDENT}{row['node']}: {row['added']:.2e}")
    for words in (drift["not_tried"], drift.get("suggestion")):
        if words:
            say(words)


def _summarise_candidate(candidate: CandidateReport) -> None:
    title = candidate.result.upper() if candidate.judged else "compare"
    failed = [check for check in candidate.checks if check.result == "fail"] if candidate.judged else []
    if not failed:
        say(f"{title:8} {candidate.name}{': ' if candidate.reason else ''}{candidate.reason}")
    else:  # what it looks like first, then each check that failed, each with its case
        reasons = [*candidate.hints, *filter(None, [candidate.broke]), *map(describe_check, failed)]
        say(f"{title:8} {candidate.name}: {reasons[0]}")
        for words in reasons[1:]:
            say(f"{INDENT}{words}")
    if candidate.result == "pass" and candidate.judged:
        for check in candidate.checks:
            words = describe_check(check) if check.result == "pass" else f"{check.name}: not run, {check.reason}"
            say(f"{INDENT}{words}")

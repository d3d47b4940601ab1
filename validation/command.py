"""`validate-engines DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.console import BAD_VERDICT, command_line, print_json, progress, say
from inpaintrt.runtime.errors import UsageError

if TYPE_CHECKING:
    from .judging.findings import CandidateReport, ValidationReport


def validate_engines(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(help="Image, or folder of images, to validate on.  [default: synthetic]", show_default=False),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Masks of your own (white = hole), tried besides the corpus; on the image of the same name, if any.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint that was exported, if it moved.", show_default=False)
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="The factory that was exported, FILE.py:FACTORY, if it was one.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the masks and synthetic images.", min=0)] = 0,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            help="Also write images of gates and mask planes to reports/gates: a name such as gate-07, or a pattern "
            "such as 'gate-*'; repeatable.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write reports/report.html, to look at and sign, and report.md.")
    ] = False,
    latency: Annotated[
        bool, typer.Option("--latency", help="Measure latency against the baselines; takes minutes.")
    ] = False,
    drift: Annotated[bool, typer.Option("--drift", help="List the nodes that add most error in FP16.")] = False,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Search for the fewest --keep-fp32 names that meet the limits.")
    ] = False,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(help="Another limit for this run, NAME=VALUE; repeatable.", show_default=False),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A stored parity.json that nothing may be worse than.", show_default=False)
    ] = None,
    margin: Annotated[float, typer.Option(help="How much worse counts: 0.5 is half as much error again.", min=0)] = 0.5,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML for CI.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")] = False,
) -> None:
    """Compare every model and engine of a bundle with PyTorch on the mask corpus. Exit code 1 if any fails.

    Engines run where their GPU is; elsewhere they are reported as not run, which never counts as a pass. Limits of a
    bundle's own stand in its tolerances.json (docs/validation.md); the report says which were loosened.

    Example: validate-engines places --html

    Exit codes: 0 all that ran passed, 1 something failed or got worse, 2 could not run.
    """
    if junit is not None and not junit.absolute().parent.is_dir():
        raise UsageError(f"--junit {junit}: the folder does not exist")
    with progress() as shown:
        shown.start("loading PyTorch and the bundle")
        from .run import Extras, validate  # torch loads only where it is used

        current = ""

        def on_progress(description: str, share: float) -> None:
            nonlocal current
            if description != current:
                shown.start(description)
                current = description
            shown.update(share)

        report = validate(
            bundle, network=network, checkpoint=checkpoint, images=images, masks=masks, seed=seed,
            tolerances=tolerance or [], extras=Extras(html, latency, drift, suggest, baseline, margin),
            on_progress=on_progress,
        )  # fmt: skip
    _summarise(report, html)
    if gates:
        from .reports.feature_maps import write_gates  # only where it is asked for

        for path in write_gates(Bundle.open(bundle), gates, images, seed):
            say(str(path))
    if junit is not None:
        from .reports.junit import write_junit

        write_junit(report, junit)
    if as_json:
        print_json(report.to_dict())
    if not report.passed:
        raise typer.Exit(BAD_VERDICT)


def _summarise(report: "ValidationReport", html: bool) -> None:
    for candidate in report.candidates:
        _summarise_candidate(candidate)
    for name, value, design in report.tolerances.limits.loosened():
        say(f"limit loosened: {name} is {value:g} instead of {design:g} ({report.tolerances.source})")
    compared = report.extras.get("baseline")
    if compared:
        for line in compared["worse"]:
            say(f"WORSE    {line}")
        say(f"baseline: {compared['compared']} candidates compared, {len(compared['worse'])} changes for the worse")
    drift = report.extras.get("drift")
    if drift:
        say(f"the nodes that add most error in FP16, on {drift['case']}:")
        for row in drift["nodes"]:
            say(f"{'':11}{row['node']}: {row['added']:.2e}")
        if "suggestion" in drift:
            say(drift["suggestion"])
    for shape in report.extras.get("latency", {}).get("shapes", []):
        say(f"latency of {shape['title']}, milliseconds (50 %, 99 %) and speed-up over the plain export:")
        for name, row in shape["rows"].items():
            times, gain = row["end to end"], row["speed_up"]
            speed_up = f"  {gain:.2f}" if gain else ""
            say(f"{'':11}{name}: {1000 * times['p50']:.1f}, {1000 * times['p99']:.1f}{speed_up}")
    skipped = sum(candidate.result == "not run" for candidate in report.candidates if candidate.judged)
    note = f" ({skipped} not run)" if skipped else ""
    details = report.bundle.path / "reports" / ("report.html" if html else "parity.json")
    say(f"verdict: {'pass' if report.passed else 'FAIL'}{note}; details in {details}")


def _summarise_candidate(candidate: "CandidateReport") -> None:
    from .judging.findings import describe_check

    title = candidate.result.upper() if candidate.judged else "compare"
    say(f"{title:8} {candidate.name}{': ' if candidate.reason else ''}{candidate.reason}")
    if candidate.result == "pass" and candidate.judged:
        for check in candidate.checks:
            words = describe_check(check) if check.result == "pass" else f"{check.name}: not run, {check.reason}"
            say(f"{'':11}{words}")


main = command_line(validate_engines)

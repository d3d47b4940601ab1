"""`validate-engines DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.console import BAD_VERDICT, command_line, print_json, progress, say

if TYPE_CHECKING:
    from inpaintrt.validation.gate import ValidationReport


def validate_engines(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(help="Picture, or folder of pictures, to validate on.  [default: synthetic]", show_default=False),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint that was exported, if it moved.", show_default=False)
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="The factory that was exported, FILE.py:FACTORY, if it was one.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the masks and synthetic pictures.", min=0)] = 0,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            help="Also write pictures of gates and mask planes to reports/gates: a name such as gate-07, or a pattern "
            "such as 'gate-*'; repeatable.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")] = False,
) -> None:
    """Compare every model and engine of a bundle with PyTorch on the mask corpus. Exit code 1 if any fails.

    Engines run where their GPU is; elsewhere they are reported as not run, which never counts as a pass.

    Example: validate-engines places

    Exit codes: 0 all that ran passed, 1 something failed, 2 could not run.
    """
    with progress() as shown:
        shown.start("loading PyTorch and the bundle")
        from .gate import validate  # torch loads only where it is used

        current = ""

        def on_progress(description: str, share: float) -> None:
            nonlocal current
            if description != current:
                shown.start(description)
                current = description
            shown.update(share)

        report = validate(
            bundle, network=network, checkpoint=checkpoint, images=images, seed=seed, on_progress=on_progress
        )
    _summarise(report, bundle)
    if gates:
        from .gates import write_gates  # only where it is asked for

        for path in write_gates(Bundle.open(bundle), gates, images, seed):
            say(str(path))
    if as_json:
        print_json(report.to_dict())
    if not report.passed:
        raise typer.Exit(BAD_VERDICT)


def _summarise(report: "ValidationReport", bundle: Path) -> None:
    from .gate import describe_check

    for candidate in report.candidates:
        say(f"{candidate.result.upper():8} {candidate.name}{': ' if candidate.reason else ''}{candidate.reason}")
        if candidate.result == "pass":
            for check in candidate.checks:
                say(
                    f"{'':11}{describe_check(check)}"
                    if check.result == "pass"
                    else f"{'':11}{check.name}: not run, {check.reason}"
                )
    skipped = sum(candidate.result == "not run" for candidate in report.candidates)
    note = f" ({skipped} not run)" if skipped else ""
    say(f"verdict: {'pass' if report.passed else 'FAIL'}{note}; details in {bundle / 'reports' / 'parity.json'}")


main = command_line(validate_engines)

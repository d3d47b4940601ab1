"""`validate-engines DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import BAD_VERDICT, command_line, print_json, progress


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
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the cases on which the most mistakes show: a verdict in seconds.")
    ] = False,
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
    minutes: Annotated[
        float, typer.Option(help="How long --drift and --suggest search; they say what they did not try.")
    ] = 5.0,
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
            quick=quick, tolerances=tolerance or [], on_progress=on_progress,
            extras=Extras(html, latency, drift, suggest, minutes, baseline, margin, junit, tuple(gates or ())),
        )  # fmt: skip
    from .summary import summarise

    summarise(report, html)
    if as_json:
        print_json(report.to_dict())
    if not report.passed:
        raise typer.Exit(BAD_VERDICT)


main = command_line(validate_engines)

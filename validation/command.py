"""`validate-engines DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintrt.runtime.console import BAD_VERDICT, command_line, print_json, progress

BundleFolder = Annotated[Path, typer.Argument(help="Bundle made by export-onnx.", show_default=False)]
Images = Annotated[
    Path | None,
    typer.Option(help="Image, or folder of images, to validate on.  [default: synthetic]", show_default=False),
]
Masks = Annotated[
    Path | None,
    typer.Option(
        help="Masks of your own (non-zero = hole), tried besides the corpus; on the image of the same name, if any.",
        show_default=False,
    ),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="The checkpoint that was exported, if it moved.", show_default=False)
]
Network = Annotated[
    str | None,
    typer.Option(
        help="FILE.py:FACTORY, required for a bundle exported with --network: code that a bundle names is never run.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the masks and synthetic images.", min=0)]
Quick = Annotated[
    bool, typer.Option("--quick", help="Only the cases on which the most mistakes show: a verdict in seconds.")
]
Gates = Annotated[
    list[str] | None,
    typer.Option(
        help="Also write images of gates and mask planes to reports/gates: a name such as gate-07, or a pattern "
        "such as 'gate-*'; repeatable.",
        show_default=False,
    ),
]
Html = Annotated[bool, typer.Option("--html", help="Write reports/report.html, to look at and sign, and report.md.")]
Latency = Annotated[
    bool, typer.Option("--latency", help="Measure latency of the bundle, PyTorch and the plain export; takes minutes.")
]
Drift = Annotated[bool, typer.Option("--drift", help="List the nodes that add most error in FP16.")]
Suggest = Annotated[
    bool, typer.Option("--suggest", help="Search for the fewest --keep-fp32 names that meet the limits.")
]
Minutes = Annotated[
    float, typer.Option(help="Minutes that --drift and --suggest may search; they say what they did not try.")
]
Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        help="Another limit for this run, such as psnr=45; docs/validation.md has the names. Repeatable.",
        show_default=False,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        help="A stored parity.json of the same images, masks and seed; fail if an error grew by more than --margin.",
        show_default=False,
    ),
]
Margin = Annotated[float, typer.Option(help="How much an error may grow: 0.5 is by half.", min=0)]
Junit = Annotated[Path | None, typer.Option(help="Write JUnit XML for CI.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")]


def validate_engines(
    bundle: BundleFolder,
    images: Images = None,
    masks: Masks = None,
    checkpoint: Checkpoint = None,
    network: Network = None,
    seed: Seed = 0,
    quick: Quick = False,
    gates: Gates = None,
    html: Html = False,
    latency: Latency = False,
    drift: Drift = False,
    suggest: Suggest = False,
    minutes: Minutes = 5.0,
    tolerance: Tolerance = None,
    baseline: Baseline = None,
    margin: Margin = 0.5,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Compare every model and engine of a bundle with PyTorch on the mask corpus.

    Engines run where their GPU is; elsewhere they are reported as not run, which never counts as a pass. Limits of a
    bundle's own are in its tolerances.json (docs/validation.md); the report says which were loosened.

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

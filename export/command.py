"""`export-onnx [CHECKPOINT] -o DIR`."""

import contextlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inpaintrt.runtime.console import command_line, print_json, progress, say, say_table
from inpaintrt.runtime.errors import UsageError

if TYPE_CHECKING:
    from inpaintrt.runtime.bundle import Bundle

    from .exporter import ExportReport
    from .source import Source


def export_onnx(
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle directory to write.", show_default=False)],
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint of a known family; or with --network, its state dict.", show_default=False),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="A network of your own: FILE.py:FACTORY or package.module:FACTORY; FACTORY() -> nn.Module.",
            show_default=False,
        ),
    ] = None,
    network_args: Annotated[
        str | None, typer.Option(help="Keyword arguments for FACTORY, as a JSON object.", show_default=False)
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Height x width of a static graph.  [default: 512x512]", show_default=False)
    ] = None,
    dynamic: Annotated[
        str | None,
        typer.Option(help="MIN,OPT,MAX height and width instead: numbers, or HxW.", show_default=False),
    ] = None,
    batch: Annotated[str, typer.Option(help="Images at once: N or MIN,OPT,MAX.")] = "1",
    io: Annotated[
        str, typer.Option(help="image: uint8 picture in and out; tensor: the network's own float tensors.")
    ] = "image",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or both.")] = "fp32,fp16",
    image_range: Annotated[
        str | None,
        typer.Option(help="What black and white are to the network, such as -1,1.  [default: 0,1]", show_default=False),
    ] = None,
    mean: Annotated[str | None, typer.Option(help="R,G,B mean, with --std.", show_default=False)] = None,
    std: Annotated[str | None, typer.Option(help="R,G,B standard deviation.", show_default=False)] = None,
    mask_polarity: Annotated[
        str | None,
        typer.Option(
            help="What 1 means in the network's mask: valid (known) or hole.  [default: valid]", show_default=False
        ),
    ] = None,
    mask_channels: Annotated[
        int | None, typer.Option(help="Channels of the network's mask, 1 or 3.  [default: 1]", show_default=False)
    ] = None,
    premask: Annotated[
        bool | None,
        typer.Option(
            "--premask/--no-premask",
            help="Set holes of the image to 0 before the network.  [default: premask]",
            show_default=False,
        ),
    ] = None,
    output_index: Annotated[
        int | None, typer.Option(help="Which output is the picture.  [default: 0]", show_default=False)
    ] = None,
    size_multiple: Annotated[
        int | None, typer.Option(help="Height and width must be multiples of this.  [default: 1]", show_default=False)
    ] = None,
    sketch: Annotated[
        bool | None,
        typer.Option(
            "--sketch/--no-sketch",
            help="The bundle takes lines that guide the network, whose forward has a third argument 'sketch'.  "
            "[default: no-sketch]",
            show_default=False,
        ),
    ] = None,
    keep_fp32: Annotated[
        list[str] | None,
        typer.Option(help="Node or value (name or pattern) to keep in FP32; repeatable.", show_default=False),
    ] = None,
    fixed_mask: Annotated[
        Path | None,
        typer.Option(
            help="Mask of a watermark or logo that never moves, non-zero = hole: the bundle takes no mask and pictures "
            "of this size.  [default: masks of any kind]",
            show_default=False,
        ),
    ] = None,
    optimize: Annotated[
        bool, typer.Option("--optimize/--no-optimize", help="--no-optimize: torch.onnx.export's own graph, to compare.")
    ] = True,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each partial convolution found, and what was done with it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Export a trained inpainting network to ONNX: FP32, and FP16 whose mask path stays exact.

    Known checkpoint families: inpaintrt, naoto0804 (pytorch-inpainting-with-partial-conv), nipponjo and nipponjo-tf
    (deepfillv2-pytorch), mmagic-deepfillv2. Options about the network
    default to what its family or its `interface` attribute says.

    Example: export-onnx network.ckpt -o places --dynamic 256,512,1024

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    if fixed_mask is not None and (size or dynamic):
        raise UsageError("--fixed-mask has a size of its own: leave out --size and --dynamic")
    if explain and not optimize:
        raise UsageError("--explain tells what the passes did; leave out --no-optimize")
    options = _parse_options(size, dynamic, batch, io, precision, optimize, keep_fp32 or [])
    overrides = _parse_overrides(
        image_range, mean, std, mask_polarity, mask_channels, premask, output_index, size_multiple, sketch
    )
    from inpaintrt.runtime.images import read_mask  # numpy and Pillow load only where they are used

    # What the user's network prints must not mix with --json.
    with progress() as shown, contextlib.redirect_stdout(sys.stderr):
        shown.start("loading PyTorch and the network")
        source = _load(checkpoint, network, network_args, overrides)
        shown.update(0.9)
        from .exporter import ExportOptions, export_source, profile_of_mask  # torch loads only where it is used

        if fixed_mask is not None:
            options["fixed_mask"] = read_mask(fixed_mask)
            options["profile"] = profile_of_mask(options["fixed_mask"], options["profile"].batch, source.interface)

        shown.start(f"exporting to {output}")
        bundle, report = export_source(source, output, ExportOptions(**options, explain=explain))
    _summarise(bundle, report)
    if explain:
        _explain(report)
    if as_json:
        results: dict[str, Any] = {"costs": {name: asdict(cost) for name, cost in report.costs.items()}}
        if explain:
            results["layers"] = [asdict(layer) for layer in report.layers]
        print_json(bundle.to_document() | results)


def _load(
    checkpoint: Path | None, network: str | None, network_args: str | None, overrides: dict[str, Any]
) -> "Source":
    if checkpoint is None and network is None:
        raise UsageError("nothing to export: give a CHECKPOINT, or --network FILE.py:FACTORY")
    if network is None and network_args is not None:
        raise UsageError("--network-args needs --network")
    from dataclasses import replace

    from .source import from_checkpoint, from_factory, parse_arguments

    if network is not None:
        source = from_factory(network, parse_arguments(network_args), checkpoint)
    else:
        assert checkpoint is not None
        source = from_checkpoint(checkpoint)
    values = source.interface.to_dict() | overrides
    if "image_range" in overrides:
        values |= {"mean": None, "std": None}
    elif "mean" in overrides:
        values["image_range"] = [0.0, 1.0]
    try:
        return replace(source, interface=type(source.interface).from_dict(values))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _parse_options(
    size: str | None, dynamic: str | None, batch: str, io: str, precision: str, optimize: bool, keep_fp32: list[str]
) -> dict[str, Any]:
    from inpaintrt.runtime.bundle import Profile

    if io not in ("image", "tensor"):
        raise UsageError(f"--io is image or tensor, not {io!r}")
    if size is not None and dynamic is not None:
        raise UsageError("--size and --dynamic exclude each other")
    sizes = (
        [_parse_size("--dynamic", part) for part in dynamic.split(",")]
        if dynamic
        else [_parse_size("--size", size or "512x512")] * 3
    )
    if len(sizes) != 3:
        raise UsageError(f"--dynamic {dynamic}: expected MIN,OPT,MAX such as 256,512,1024")
    batches = _parse_numbers("--batch", batch, int)
    if len(batches) not in (1, 3):
        raise UsageError(f"--batch {batch}: expected N or MIN,OPT,MAX")
    return {
        "profile": Profile(
            batch=tuple(batches * 3 if len(batches) == 1 else batches),  # type: ignore[arg-type]
            height=tuple(height for height, _ in sizes),  # type: ignore[arg-type]
            width=tuple(width for _, width in sizes),  # type: ignore[arg-type]
        ),
        "io": io,
        "precisions": tuple(dict.fromkeys(part.strip() for part in precision.split(","))),
        "optimize": optimize,
        "keep_fp32": tuple(keep_fp32),
    }


def _parse_overrides(
    image_range: str | None, mean: str | None, std: str | None, mask_polarity: str | None, mask_channels: int | None,
    premask: bool | None, output_index: int | None, size_multiple: int | None, sketch: bool | None,
) -> dict[str, Any]:  # fmt: skip
    given: dict[str, Any] = {
        "image_range": _parse_numbers("--image-range", image_range, float, 2) if image_range is not None else None,
        "mean": _parse_numbers("--mean", mean, float, 3) if mean is not None else None,
        "std": _parse_numbers("--std", std, float, 3) if std is not None else None,
        "mask_polarity": mask_polarity,
        "mask_channels": mask_channels,
        "premask": premask,
        "output_index": output_index,
        "size_multiple": size_multiple,
        "sketch": sketch,
    }
    return {name: value for name, value in given.items() if value is not None}


def _parse_size(option: str, text: str) -> tuple[int, int]:
    numbers = text.lower().strip().split("x")
    try:
        height, width = (int(number) for number in (numbers * 2 if len(numbers) == 1 else numbers))
    except ValueError:
        raise UsageError(f"{option} {text}: expected HEIGHTxWIDTH in pixels, such as 512x768") from None
    return height, width


def _parse_numbers(option: str, text: str, kind: type, count: int | None = None) -> list[Any]:
    try:
        numbers = [kind(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or (count is not None and len(numbers) != count):
        wanted = f"{count} numbers" if count else "numbers"
        raise UsageError(f"{option} {text}: expected {wanted} separated by commas")
    return numbers


def _summarise(bundle: "Bundle", report: "ExportReport") -> None:
    for artifact in bundle.artifacts:
        say(f"{bundle.path / artifact.path}  {artifact.bytes / 2**20:.1f} MiB")
    _say_costs(report)
    if report.mask_path_values <= 1:
        say("no mask path: the network combines mask and image at once, so there was nothing to keep exact")
    for done in report.passes:
        for name, reason in done.refused:
            say(f"{done.name}: {name}: {reason}")
    half = report.half_precision
    if half is not None and report.half_precision_share is not None:
        say(f"FP16 does {100 * report.half_precision_share:.2f} % of the multiply-adds")
        for name, reason in half.headroom.refused:
            peak = f"the largest probed feature is {report.feature_peak:.3g}, FP16 ends at 65504"
            say(f"no headroom: {name}: {reason}; {peak}")
        for reason in dict.fromkeys(reason for _, reason in half.kept):
            names = [name for name, why in half.kept if why == reason]
            others = f" and {len(names) - 1} more nodes" if len(names) > 1 else ""
            say(f"kept in FP32: {names[0]}{others}: {reason}")


def _say_costs(report: "ExportReport") -> None:
    """What one call costs, before and after; nothing where nothing was changed."""
    if len(report.costs) < 2 or not report.passes:
        return
    costs = report.costs
    rows = [
        ("multiply-adds of features", [f"{cost.feature_multiply_adds / 1e9:.3f} G" for cost in costs.values()]),
        ("multiply-adds of masks", [f"{cost.mask_multiply_adds / 1e9:.3f} G" for cost in costs.values()]),
        ("parameters", [f"{cost.parameters / 1e6:.3f} M" for cost in costs.values()]),
        ("file", [f"{cost.bytes / 2**20:.1f} MiB" for cost in costs.values()]),
        ("nodes", [str(cost.nodes) for cost in costs.values()]),
        ("peak of activations", [f"{cost.peak_activations / 2**20:.1f} MiB" for cost in costs.values()]),
    ]
    say_table(("one call", *costs), [(title, *cells) for title, cells in rows])


def _explain(report: "ExportReport") -> None:
    """The layers with a mask as a table, and what it says in words."""
    partial = [layer for layer in report.layers if layer.form == "partial"]
    say_table(
        ("layer", "kernel", "mask channels", "sum s", "found as", "done", *(["in"] if report.half_precision else [])),
        [
            (
                layer.layer if layer.times == 1 else f"{layer.layer} ({layer.times} times)",
                layer.window,
                layer.mask,
                layer.known,
                layer.formula,
                "; ".join(layer.done) or "nothing was to be done",
                *([layer.precision] if report.half_precision else []),
            )
            for layer in partial
        ],
    )
    say("z: convolution without bias; b: a number for each channel; s: mask sum; m: other values of the mask path")
    others = {
        form: sum(layer.times for layer in report.layers if layer.form == form) for form in ("masked", "ordinary")
    }
    count = sum(layer.times for layer in partial)
    say(f"{count} partial, {others['masked']} masked but not renormalised, {others['ordinary']} ordinary convolutions")


main = command_line(export_onnx)

"""`export-onnx [CHECKPOINT] -o DIR`."""

import contextlib
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inpaintrt.runtime.console import command_line, print_json, progress
from inpaintrt.runtime.errors import UsageError

from . import command_options as given
from .checkpoints.registry import families_in_words
from .parsing import parse_interface, parse_options
from .summary import say_layers, say_unsupported, summarise

if TYPE_CHECKING:
    from pathlib import Path

    from .source import Source


def export_onnx(
    output: given.Output,
    checkpoint: given.Checkpoint = None,
    network: given.Network = None,
    network_args: given.NetworkArgs = None,
    size: given.Size = None,
    dynamic: given.Dynamic = None,
    batch: given.Batch = "1",
    io: given.InputOutput = "image",
    precision: given.Precision = "fp32,fp16",
    image_range: given.ImageRange = None,
    mean: given.Mean = None,
    std: given.Std = None,
    mask_polarity: given.MaskPolarity = None,
    mask_channels: given.MaskChannels = None,
    premask: given.Premask = None,
    output_index: given.OutputIndex = None,
    size_multiple: given.SizeMultiple = None,
    sketch: given.Sketch = None,
    keep_fp32: given.KeepFp32 = None,
    fixed_mask: given.FixedMask = None,
    optimize: given.Optimize = True,
    explain: given.Explain = False,
    as_json: given.AsJson = False,
) -> None:
    """Export a trained inpainting network to ONNX: FP32, and FP16 whose mask path stays exact.

    Known checkpoint families: {families}.

    Options about the network default to what its family, or the attribute `interface` of the network, says;
    where neither does, to what is shown here.

    Example: export-onnx network.ckpt -o places --dynamic 256,512,1024

    Exit codes: 0, or 2 with one line that says what is wrong.
    """
    if fixed_mask is not None and (size or dynamic):
        raise UsageError("--fixed-mask has a size of its own: leave out --size and --dynamic")
    if explain and not optimize:
        raise UsageError("--explain tells what the passes did; leave out --no-optimize")
    options = parse_options(size, dynamic, batch, io, precision, optimize, keep_fp32 or [])
    overrides = parse_interface(
        image_range=image_range, mean=mean, std=std, mask_polarity=mask_polarity, mask_channels=mask_channels,
        premask=premask, output_index=output_index, size_multiple=size_multiple, sketch=sketch,
    )  # fmt: skip
    _export(output, (checkpoint, network, network_args), overrides, options | {"explain": explain}, fixed_mask, as_json)


def _export(
    output: "Path", origin: tuple["Path | None", str | None, str | None], overrides: dict[str, Any],
    options: dict[str, Any], fixed_mask: "Path | None", as_json: bool,
) -> None:  # fmt: skip
    # What the user's network prints must not mix with --json.
    with progress() as shown, contextlib.redirect_stdout(sys.stderr):
        shown.start("loading PyTorch and the network")
        source = _load(*origin, overrides)
        shown.update(0.9)
        from .exporter import export_source  # torch loads only where it is used
        from .options import ExportOptions, profile_of_mask

        if fixed_mask is not None:
            from inpaintrt.runtime.images import read_mask

            options["fixed_mask"] = read_mask(fixed_mask)
            options["profile"] = profile_of_mask(options["fixed_mask"], options["profile"].batch, source.interface)
        shown.start(f"exporting to {output}")
        bundle, report = export_source(source, output, ExportOptions(**options))
        shown.start("asking for what engines cannot take")
        from .engine_support import unsupported_nodes

        model = next(artifact for artifact in bundle.artifacts if artifact.kind == "onnx")
        unsupported = unsupported_nodes((bundle.path / model.path).read_bytes())
    summarise(bundle, report)
    say_unsupported(unsupported)
    if options["explain"]:
        say_layers(report)
    if as_json:
        results: dict[str, Any] = {"costs": {name: asdict(cost) for name, cost in report.costs.items()}}
        results["unsupported_by_engines"] = [asdict(node) for node in unsupported]
        if options["explain"]:
            results["layers"] = [asdict(layer) for layer in report.layers]
        print_json(bundle.to_document() | results)


def _load(
    checkpoint: "Path | None", network: str | None, network_args: str | None, overrides: dict[str, Any]
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


if export_onnx.__doc__ is not None:  # as it is under python -OO
    export_onnx.__doc__ = export_onnx.__doc__.replace("{families}", families_in_words())

main = command_line(export_onnx, panels=True)

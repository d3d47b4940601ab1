"""What `export-onnx` says on the terminal when it is done."""

from typing import TYPE_CHECKING

from inpaintrt.runtime.console import say, say_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inpaintrt.runtime.bundle import Bundle

    from .engine_support import Unsupported
    from .report import ExportReport


def summarise(bundle: "Bundle", report: "ExportReport") -> None:
    """The files, what one call costs, what the passes refused, and what became of the FP16 graph."""
    for artifact in bundle.artifacts:
        say(f"{bundle.path / artifact.path}  {artifact.bytes / 2**20:.1f} MiB")
    _say_costs(report)
    if report.mask_path_values <= 1:
        say("no mask path: the network combines mask and image at once, so there was nothing to keep exact")
    for done in report.passes:
        for name, reason in done.refused:
            say(f"{done.name}: {name}: {reason}")
    _say_fp16(bundle, report)


def say_unsupported(nodes: "Sequence[Unsupported]") -> None:
    """Of each kind of node that no engine takes: what, where it comes from, why, and what can be done."""
    for node in nodes:
        where = f" from {node.line}" if node.line else ""
        say(f"no engine can be built: {node.operator} {node.node}{where}: {node.reason}; {node.remedy}")


def say_layers(report: "ExportReport") -> None:
    """The layers with a mask, and every layer that stayed FP32, as a table; and what it says in words."""
    partial = [layer for layer in report.layers if layer.form == "partial"]
    shown = [layer for layer in report.layers if layer.form == "partial" or layer.precision == "fp32"]
    columns = ("layer", "kernel", "mask channels", "sum s", "found as", "done")
    say_table(
        (*columns, *(["in", "why fp32"] if report.fp16 else [])),
        [
            (
                layer.layer if layer.times == 1 else f"{layer.layer} ({layer.times} times)",
                layer.window,
                layer.mask,
                layer.known,
                layer.formula or layer.form,
                "; ".join(layer.done) or "unchanged",
                *([layer.precision, layer.reason] if report.fp16 else []),
            )
            for layer in shown
        ],
    )
    say("z: convolution without bias; b: a number for each channel; s: mask sum; m: other values of the mask path")
    others = {
        form: sum(layer.times for layer in report.layers if layer.form == form) for form in ("masked", "ordinary")
    }
    count = sum(layer.times for layer in partial)
    say(f"{count} partial, {others['masked']} masked but not renormalised, {others['ordinary']} ordinary convolutions")


def _say_costs(report: "ExportReport") -> None:
    """What one call costs, before and after; nothing where nothing was changed."""
    if len(report.costs) < 2 or not report.passes:
        return
    costs = report.costs
    least = {name: "at least " if cost.uncounted else "" for name, cost in costs.items()}
    rows = [
        (
            "multiply-adds of features",
            [f"{least[name]}{cost.feature_multiply_adds / 1e9:.3f} G" for name, cost in costs.items()],
        ),
        ("multiply-adds of masks", [f"{cost.mask_multiply_adds / 1e9:.3f} G" for cost in costs.values()]),
        ("parameters", [f"{cost.parameters / 1e6:.3f} M" for cost in costs.values()]),
        ("file", [f"{cost.bytes / 2**20:.1f} MiB" for cost in costs.values()]),
        ("nodes", [str(cost.nodes) for cost in costs.values()]),
        ("peak of activations", [f"{cost.peak_activations / 2**20:.1f} MiB" for cost in costs.values()]),
    ]
    if any(least.values()):
        rows.append(("nodes not counted", [str(cost.uncounted) for cost in costs.values()]))
    say_table(("one call", *costs), [(title, *cells) for title, cells in rows])


def _say_fp16(bundle: "Bundle", report: "ExportReport") -> None:
    """How much of the FP16 graph is FP16, why the rest is not, and where the whole list is."""
    if report.fp16 is None or report.fp16_share is None:
        return
    say(f"FP16 does {100 * report.fp16_share:.2f} % of the multiply-adds")
    for name, reason in report.fp16.headroom.refused:
        peak = f"the largest probed feature is {report.feature_peak:.3g}, FP16 ends at 65504"
        say(f"no headroom: {name}: {reason}; {peak}")
    kept = report.fp16.kept
    for reason in dict.fromkeys(reason for _, reason in kept):
        names = [name for name, why in kept if why == reason]
        others = f" and {len(names) - 1} more nodes" if len(names) > 1 else ""
        say(f"kept in FP32: {names[0]}{others}: {reason}")
    if kept:
        document = bundle.path / "bundle.json"
        say(f"all nodes kept in FP32, with reasons: {document}, kept_fp32 in the details of model.fp16.onnx")

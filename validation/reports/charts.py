"""The report's charts, drawn as SVG that goes into the page."""

import io
import re
from collections.abc import Sequence
from typing import Any

from ..judging.findings import CandidateReport

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito (2008): told apart by colour-blind people; hatches tell them apart without any colour."""

HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")


def error_chart(candidates: Sequence[CandidateReport]) -> str:
    """How many composite values in holes differ by how much, one row of bars for each candidate; SVG."""
    if not candidates:
        return ""
    figure, axes = _figure(len(candidates), 1.15, len(candidates))
    for number, (axis, candidate) in enumerate(zip(axes, candidates, strict=True)):
        counts = candidate.errors
        total = max(sum(counts), 1)
        labels = [*map(str, range(len(counts) - 1)), f"{len(counts) - 1}+"]
        # On a logarithmic axis one value in a million is still seen; what is zero has no bar.
        shares = [100 * count / total for count in counts]
        style = {"color": COLOURS[number % len(COLOURS)], "hatch": HATCHES[number % len(HATCHES)], "edgecolor": "white"}
        axis.bar(labels, shares, **style)
        axis.set_yscale("log")
        axis.set_ylim(1e-5, 300)
        axis.set_yticks([1e-4, 1e-2, 1, 100], ["0.0001 %", "0.01 %", "1 %", "100 %"])
        axis.set_title(candidate.name, loc="left", fontsize=9)
    axes[-1].set_xlabel("difference from PyTorch, levels of 255")
    return _svg(figure, "Share of hole values by their difference from PyTorch")


def latency_chart(latency: dict[str, Any]) -> str:
    """End-to-end medians as bars with lines to the 99th percentile, one panel for each size and batch; SVG."""
    shapes = latency["shapes"]
    rows = sum(len(shape["rows"]) for shape in shapes)
    figure, axes = _figure(len(shapes), 0.28 * rows / len(shapes) + 0.5, len(shapes))
    for axis, shape in zip(axes, shapes, strict=True):
        names = list(shape["rows"])
        medians = [1000 * shape["rows"][name]["end to end"]["p50"] for name in names]
        tails = [1000 * shape["rows"][name]["end to end"]["p99"] - m for name, m in zip(names, medians, strict=True)]
        bars = axis.barh(names, medians, xerr=[[0] * len(names), tails], capsize=2, edgecolor="white")
        for bar, name in zip(bars, names, strict=True):
            own = not shape["rows"][name]["baseline"]
            bar.set(color=COLOURS[0] if own else COLOURS[1], hatch="" if own else "//")
        for position, value in enumerate(medians):
            axis.annotate(f" {value:.3g} ms", (value, position), va="bottom", fontsize=7)
        axis.invert_yaxis()
        axis.set_title(shape["title"], loc="left", fontsize=9)
        axis.margins(x=0.15)
    axes[-1].set_xlabel("milliseconds, median; the line ends at the 99th percentile. Hatched: baselines")
    return _svg(figure, "Latency against the baselines")


def roofline_chart(roofline: dict[str, Any]) -> str:
    """Each kernel of a plan by its operations a byte and, as estimated, a second, below the limits of a GPU; SVG."""
    points = [point for point in roofline["points"] if point["operations"]]
    figure, (axis,) = _figure(1, 3.0, 1)
    intensities = [point["intensity"] for point in points]
    edges = [min([0.1, *intensities]), max([1e4, *intensities])]
    for number, name in enumerate(("fp16", "fp32")):
        limits = [(x, min(roofline["bandwidth"] * x, roofline[name])) for x in
                  (edges[0], roofline[name] / roofline["bandwidth"], edges[1])]  # fmt: skip
        style = "-" if name == "fp16" else "--"
        axis.plot(*zip(*limits, strict=True), style, color=COLOURS[number], label=f"limit, {name}")
    for number, bound in enumerate(("compute", "memory", "launch")):
        chosen = [point for point in points if point["bound"] == bound]
        if chosen:
            axis.scatter(
                [point["intensity"] for point in chosen], [point["operations_per_second"] for point in chosen],
                s=[max(4.0, 400 * point["seconds"] / roofline["seconds"]) for point in chosen],
                color=COLOURS[2 + number], marker="os^"[number], label=f"bound by {bound}", alpha=0.8,
            )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("operations a byte")
    axis.set_ylabel("operations a second", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    axis.set_title(f"{roofline['gpu']}: {roofline['note']}", loc="left", fontsize=9)
    return _svg(figure, f"Roofline of {roofline['gpu']}, {roofline['note']}")


def _figure(rows: int, row_height: float, panels: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure  # only where a chart is drawn; no display is needed

    figure = Figure(figsize=(7, row_height * rows + 0.6), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False)[:, 0]
    for axis in axes:
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _svg(figure: Any, title: str) -> str:
    """The drawing alone, fit for a page: text stays text, and the width follows the page."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    drawing = text[text.index("<svg") :]
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)

"""The report for people: `report.html`, one self-contained file, and `report.md`.

Nothing is loaded from elsewhere: images are PNG in the page, charts are SVG in the page. Results are told by words
and shapes and not by colour alone; colours are from the palette of Okabe and Ito, which colour-blind people tell apart.
"""

import base64
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ..judging.advice import advise
from ..judging.comparison import ComparedImage
from ..judging.findings import CandidateReport, ValidationReport
from ..judging.stored import PAGES
from .charts import error_chart, latency_chart, roofline_chart
from .kernel_plans import kernel_plans

TEMPLATES = Path(__file__).parent

MAGNIFIED = 20
"""Factor on differences in images."""

LARGEST_IMAGE = 512
"""Pixels of an image's longer side; larger ones are cut to the part that differs most."""

HOLE_GREY = 128
"""Level of the holes in the image that was given: neither of the mask's two."""

SYMBOLS = {"pass": "✔", "fail": "✘", "not run": "○"}


def render_pages(report: ValidationReport) -> dict[str, bytes]:
    """Both pages by the names of their files."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=lambda name: bool(name and "html" in name), trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "milliseconds": milliseconds, "cell": _markdown_cell}
    content: dict[str, Any] = {
        "report": report, "symbols": SYMBOLS, "limits": report.tolerances, "extras": report.extras,
        "advice": advise(report), "loosened": report.tolerances.limits.loosened(), "counts": _counts(report),
        "magnified": MAGNIFIED,
    }  # fmt: skip
    strips = {candidate.name: [_strip(image) for image in candidate.worst] for candidate in report.candidates}
    charts: dict[str, Any] = {"errors": Markup(error_chart(_shown(report))), "latency": None}
    if "latency" in report.extras:
        charts["latency"] = Markup(latency_chart(report.extras["latency"]))
    content["plans"] = kernel_plans(report.bundle)
    charts["plans"] = [
        Markup(roofline_chart(plan["roofline"])) if plan["roofline"] else "" for plan in content["plans"]
    ]
    html = environment.get_template("report.html.jinja").render(content, strips=strips, charts=charts)
    markdown = environment.get_template("report.md.jinja").render(content)
    return dict(zip(PAGES, (html.encode(), markdown.encode()), strict=True))


def number(value: float | int | None) -> str:
    """A measured value for a table."""
    if value is None:
        return ""
    if isinstance(value, int) or math.isinf(value):
        return f"{value}"
    return f"{value:.2e}" if value and abs(value) < 1e-3 else f"{value:.4g}"


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds with three digits."""
    return "" if seconds is None else f"{1000 * seconds:.3g}"


def _counts(report: ValidationReport) -> dict[str, int]:
    results = [candidate.result for candidate in report.candidates if candidate.judged]
    return {result: results.count(result) for result in ("pass", "fail", "not run")}


def _shown(report: ValidationReport) -> list[CandidateReport]:
    """Candidates that have errors to draw."""
    return [candidate for candidate in report.candidates if candidate.cases]


def _markdown_cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _strip(compared: ComparedImage) -> dict[str, Any]:
    """The five images of one case, ready for the page."""
    window = _window(compared)
    image, hole, expected, found = (
        each[window] for each in (compared.image, compared.hole, compared.expected, compared.found)
    )
    difference = np.abs(found.astype(np.int64) - expected)
    images = {
        "input (hole grey)": np.where(hole[..., None], np.uint8(HOLE_GREY), image),
        "mask (white = hole)": np.where(hole, np.uint8(255), np.uint8(0)),
        "PyTorch": expected,
        "candidate": found,
        f"difference x{MAGNIFIED}": np.minimum(difference * MAGNIFIED, 255).astype(np.uint8),
    }
    return {
        "metrics": compared.metrics,
        "cut": compared.hole.shape != hole.shape,
        "images": {title: _data_url(array) for title, array in images.items()},
    }


def _window(compared: ComparedImage) -> tuple[slice, slice]:
    """The part of an image that is shown: all of it, or of a large one the part around the largest difference."""
    difference = np.abs(compared.found.astype(np.int64) - compared.expected).sum(axis=-1)
    peak = np.unravel_index(int(difference.argmax()), difference.shape)
    starts = [
        max(0, min(int(at) - LARGEST_IMAGE // 2, size - LARGEST_IMAGE))
        for at, size in zip(peak, difference.shape, strict=True)
    ]
    vertical, horizontal = (slice(start, start + LARGEST_IMAGE) for start in starts)
    return vertical, horizontal


def _data_url(array: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

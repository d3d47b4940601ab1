"""The report as people meet it: self-contained, honest about what did not run, and readable in a real browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.mutations.changes import swap_colours
from benchmarks.mutations.graph_edits import rewrite
from inpaintrt.runtime import Bundle
from inpaintrt.validation import validate
from inpaintrt.validation.cases.job import open_job
from inpaintrt.validation.judging.findings import ValidationReport
from inpaintrt.validation.judging.stored import plain_json, store_all
from inpaintrt.validation.latency.measure import measure_latency
from inpaintrt.validation.reports.charts import roofline_chart
from inpaintrt.validation.reports.render import render_pages
from inpaintrt.validation.run import Extras
from tests.conftest import copy_bundle

PHONE = 390
"""Width of a common phone in CSS pixels."""


@pytest.fixture(scope="module")
def failed(shared_bundle: Bundle, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> ValidationReport:
    """The report of a bundle whose FP16 model lies, with a loosened limit and everything that can be drawn."""
    bundle = copy_bundle(shared_bundle, tmp_path_factory.mktemp("page") / "<b>lie", checkpoint)
    rewrite(bundle, "fp16", swap_colours)
    report = validate(bundle.path, tolerances=["psnr=45"], extras=Extras(drift=True))
    with open_job(bundle.path) as job:
        report.extras["latency"] = plain_json(measure_latency(job, rounds=2, compiled=()))
    store_all(report.bundle, render_pages(report))
    return report


def page(report: ValidationReport) -> Path:
    return report.bundle.path / "reports" / "report.html"


class Addresses(HTMLParser):
    """Collects whatever a page could load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "xlink:href")]


def test_the_page_loads_nothing(failed: ValidationReport) -> None:
    text = page(failed).read_text()
    parser = Addresses()
    parser.feed(text)
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in parser.found)
    assert not {"script", "link", "iframe", "object"} & set(parser.tags)
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in text


def test_the_page_says_what_matters_first(failed: ValidationReport) -> None:
    text = page(failed).read_text()
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)
    assert words.index("✘ FAIL") < words.index("Limits were loosened") < words.index("Candidates")
    assert "psnr: 45 instead of 50" in " ".join(words.split())
    assert "colour channels look swapped (BGR for RGB)" in words
    assert "&lt;b&gt;lie" in text  # a bundle's name is no markup
    assert "no CUDAExecutionProvider" in words
    images = sum(min(len(candidate.worst), 3) for candidate in failed.candidates) * 5
    assert text.count("<figure>") == images
    assert text.count("<svg") == 2
    assert "PyTorch eager fp32" in words[words.index("Latency") :]


def test_the_markdown_says_the_same(failed: ValidationReport) -> None:
    text = (page(failed).parent / "report.md").read_text()
    assert text.startswith("# Validation of <b>lie: FAIL\n")
    assert "psnr 45 instead of 50" in text
    for candidate in failed.candidates:
        result = candidate.result if candidate.judged else "compare"
        assert f"| {result} | {candidate.name} |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) >= 3 for row in rows)


@pytest.fixture(scope="module")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("needs a browser: apt-get install chromium")


def browse(browser: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("width", [PHONE, 1200])
def test_the_page_fits_the_screen(browser: str, failed: ValidationReport, tmp_path: Path, width: int) -> None:
    shutil.copy(page(failed), tmp_path / "report.html")
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><script>'
        'onload = () => { const d = document.getElementById("f").contentDocument, e = d.documentElement;'
        "const broken = [...d.images].filter(i => !i.naturalWidth).length;"
        "document.title = `wide ${e.scrollWidth} broken ${broken}`"
        "}</script>"
    )
    dom = browse(browser, tmp_path, "--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri())
    assert f"<title>wide {width} broken 0</title>" in dom


def test_the_page_is_drawn_and_printed(browser: str, failed: ValidationReport, tmp_path: Path) -> None:
    shutil.copy(page(failed), tmp_path / "report.html")
    address = (tmp_path / "report.html").as_uri()
    browse(browser, tmp_path, "--window-size=1200,1600", f"--screenshot={tmp_path / 'page.png'}", address)
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    assert pixels.shape == (1600, 1200, 3)
    assert 0.5 < (pixels > 250).all(axis=2).mean() < 0.99  # paper, and something on it
    browse(browser, tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", address)
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_a_roofline_shows_kernels_below_the_limits() -> None:
    kernel = {"operations": 10**9, "intensity": 100.0, "seconds": 1e-5, "operations_per_second": 1e14}
    kernels = [kernel | {"bound": bound} for bound in ("compute", "launch", "memory")]
    kernels[2]["operations"] = 0
    roofline = {
        "gpu": "RTX 4090", "note": "estimate, not measured", "fp16": 165e12, "fp32": 82e12, "bandwidth": 1e12,
        "seconds": 2e-5, "points": kernels,
    }  # fmt: skip
    drawing = roofline_chart(roofline)
    assert drawing.startswith("<svg")
    for words in ("RTX 4090: estimate, not measured", "limit, fp16", "bound by compute", "bound by launch"):
        assert words in drawing
    assert "bound by memory" not in drawing  # what multiplies nothing has no place on the chart

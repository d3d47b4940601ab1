"""The image of the page in the README: `python -m tests.serving.screenshot docs/page.png` (needs Chromium).

The demo checkpoint, exported; its image with a stroke painted by the mouse; the result under the slider.
"""

import sys
import tempfile
from pathlib import Path

from inpaintrt.export.exporter import ExportOptions, export_source
from inpaintrt.export.source import from_checkpoint
from inpaintrt.runtime.bundle import Profile
from tests.serving.browser import Visitor, browser, served

EXAMPLES = Path(__file__).parents[2] / "examples"
STROKES = (((0.25, 0.35), (0.45, 0.42), (0.6, 0.38)), ((0.62, 0.7), (0.75, 0.78)))
"""Points of the image, 0..1 each way."""


def main(target: Path, checkpoint: Path) -> None:
    """Write the screenshot."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "places"
        side = (256, 256, 512)
        export_source(from_checkpoint(checkpoint), bundle, ExportOptions(Profile((1, 1, 1), side, side)))
        with served(bundle) as address, browser() as chromium:
            visitor = Visitor.arrive(chromium, address, {"width": 900, "height": 700})
            visitor.choose((EXAMPLES / "image.png").read_bytes(), "image.png")
            for stroke in STROKES:
                visitor.drag(*stroke)
            visitor.fill()
            visitor.page.fill(".slider", "45")
            visitor.page.mouse.move(5, 5)
            visitor.page.wait_for_timeout(1000)
            visitor.page.screenshot(path=target, full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else EXAMPLES / "demo.ckpt")

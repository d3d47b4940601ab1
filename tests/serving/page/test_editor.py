"""The page in Chromium: what a visitor sees and gets, with the mouse, a finger and the keyboard."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle, Inpainter
from tests.conftest import random_image
from tests.serving.browser import PHONE, Visitor, needs_browser, pixels, png, served
from tests.serving.files import bad_files

Visit = Callable[..., Visitor]

pytestmark = [*needs_browser(), pytest.mark.slow]


@pytest.fixture(scope="module")
def address(dynamic_bundle: Bundle) -> Iterator[str]:
    limits = ("--max-megapixels", "1", "--max-upload", "2", "--at-once", "1", "--waiting", "1")
    with served(dynamic_bundle.path, *limits) as url:
        yield url


@pytest.fixture(scope="module")
def inpaint(dynamic_bundle: Bundle) -> Iterator[Inpainter]:
    with Inpainter(dynamic_bundle.path, "cpu") as inpainter:
        yield inpainter


@pytest.fixture
def image() -> np.ndarray:
    return random_image(90, 120, seed=3)[0]


def test_painted_with_the_mouse_filled_and_downloaded(
    visit: Visit, address: str, inpaint: Inpainter, image: np.ndarray
) -> None:
    visitor = visit(address)
    assert visitor.choose(png(image), "photo.png") == "photo.png: 120 x 90 pixels. Paint over what is to go."
    assert visitor.fill() == "Paint over what is to be filled first."
    visitor.drag((0.2, 0.3), (0.6, 0.4))
    brushed = visitor.painted()
    assert 0.005 < brushed.mean() < 0.5
    visitor.page.click("[data-tool=eraser]")
    visitor.drag((0.4, 0.2), (0.4, 0.5))
    erased = visitor.painted()
    assert (brushed & ~erased).any()
    assert not (erased & ~brushed).any()
    visitor.page.click("[data-tool=rectangle]")
    visitor.drag((0.7, 0.6), (0.8, 0.9))
    both = visitor.painted()
    rows, columns = np.nonzero(both & ~erased)
    assert abs(rows.min() - 54) <= 1
    assert abs(rows.max() - 81) <= 1
    assert abs(columns.min() - 84) <= 1
    assert abs(columns.max() - 96) <= 1
    visitor.page.click(".undo")
    visitor.page.click(".undo")
    assert (visitor.painted() == brushed).all()
    visitor.page.click(".redo")
    visitor.page.click(".redo")
    assert (visitor.painted() == both).all()

    assert visitor.fill() == "Filled."
    filled = inpaint(image, both)
    result = pixels(visitor.download())
    assert (result == filled).all()
    assert (result[~both] == image[~both]).all()
    assert re.match(
        r"120 x 90 pixels, .* % of it hole: .* s by onnxruntime-cpu fp32\.", visitor.page.inner_text(".report")
    )
    visitor.page.fill(".slider", "80")
    assert visitor.page.evaluate("document.querySelector('.before').style.clipPath") == "inset(0px 20% 0px 0px)"

    # Painting on: the second fill starts from the first one's result.
    visitor.page.click(".continue")
    visitor.page.wait_for_selector(".result", state="hidden")
    assert not visitor.painted().any()
    visitor.drag((0.1, 0.8), (0.2, 0.9))
    again = visitor.painted()
    assert visitor.fill() == "Filled."
    assert (pixels(visitor.download()) == inpaint(filled, again)).all()


def test_the_keyboard_is_enough(visit: Visit, address: str, inpaint: Inpainter, image: np.ndarray) -> None:
    visitor = visit(address)
    page = visitor.page

    def tab_to(selector: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches('{selector}')"):
                return
        pytest.fail(f"Tab does not reach {selector}")

    chosen: list[Any] = []
    page.on("filechooser", lambda chooser: chosen.append(chooser))  # noqa: PLW0108 - Playwright marks its handlers
    for _ in range(5):  # the focus may be lost while Gradio still sets up the page
        tab_to(".choose")
        page.keyboard.press("Enter")
        page.wait_for_timeout(2000)
        if chosen:
            break
    with visitor.answered():
        chosen[0].set_files({"name": "photo.png", "mimeType": "image/png", "buffer": png(image)})
    tab_to(".paint")
    page.keyboard.press("Space")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Space")
    mask = visitor.painted()
    assert mask[45, 60]
    assert mask[56, 80]
    assert mask.mean() < 0.6
    page.keyboard.press("Control+z")
    assert not visitor.painted().any()
    page.keyboard.press("Control+Shift+Z")
    tab_to(".fill")
    with visitor.answered():
        page.keyboard.press("Enter")
    assert visitor.message() == "Filled."
    tab_to(".slider")
    page.keyboard.press("ArrowRight")
    assert page.input_value(".slider") == "51"
    tab_to(".download")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "photo-filled.png"
    assert (pixels(waiting.value.path().read_bytes()) == inpaint(image, mask)).all()


def test_a_finger_on_a_phone(visit: Visit, address: str, inpaint: Inpainter, image: np.ndarray) -> None:
    visitor = visit(address, viewport=PHONE, phone=True)
    visitor.choose(png(image), "photo.png")
    session = visitor.page.context.new_cdp_session(visitor.page)
    path = [visitor.on_image(0.2 + 0.1 * step, 0.5) for step in range(5)]
    for kind, points in (("touchStart", path[:1]), *(("touchMove", [point]) for point in path[1:]), ("touchEnd", [])):
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    mask = visitor.painted()
    assert mask[45, 24:72].all()
    assert visitor.fill() == "Filled."
    assert (pixels(visitor.download()) == inpaint(image, mask)).all()
    width = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "the page must not scroll sideways"
    heights = visitor.page.evaluate(
        "[...document.querySelectorAll('.editor button')].map(b => b.offsetHeight).filter(h => h)"
    )
    assert min(heights) >= 44, "buttons for fingers"


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(
    visit: Visit, address: str, inpaint: Inpainter, image: np.ndarray, way: str
) -> None:
    visitor = visit(address)
    assert visitor.hand_over(png(image), "x.png", way) == "x.png: 120 x 90 pixels. Paint over what is to go."
    visitor.drag((0.3, 0.3), (0.5, 0.5))
    mask = visitor.painted()
    assert visitor.fill() == "Filled."
    assert (pixels(visitor.download()) == inpaint(image, mask)).all()
    assert visitor.hand_over(b"<svg/>", "vector.svg", way).startswith("vector.svg: is not an image of a known format")


def test_bad_files_are_said_in_words_and_the_page_goes_on(visit: Visit, address: str, image: np.ndarray) -> None:
    visitor = visit(address)
    for name, (content, message) in bad_files().items():
        said = visitor.choose(content, name)
        assert re.match(message, said)
        assert "Traceback" not in visitor.page.inner_text("body")
    noise = np.random.default_rng(0).integers(0, 256, (900, 1000, 3), dtype=np.uint8)
    assert visitor.choose(png(noise), "heavy.png") == "heavy.png: is larger than this server takes"
    assert visitor.choose(png(image), "photo.png").startswith("photo.png: 120 x 90")
    wrong = visitor.choose(png(np.full((9, 9), 255, dtype=np.uint8)), "mask.png", ".mask-file")
    assert wrong == "mask.png: is 9x9, but the image is 120x90; they must have one size"
    hole = random_image(90, 120)[1]
    visitor.choose(png((hole * 255).astype(np.uint8)), "mask.png", ".mask-file")
    assert (visitor.painted() == hole).all()
    assert visitor.fill() == "Filled."


def test_two_visitors_at_once_get_their_own(visit: Visit, address: str, inpaint: Inpainter) -> None:
    images = [random_image(80, 100, seed)[0] for seed in (1, 2)]
    visitors = [visit(address) for _ in images]
    for visitor, image in zip(visitors, images, strict=True):
        visitor.choose(png(image), "photo.png")
        visitor.drag((0.3, 0.3), (0.7, 0.7))
    with visitors[0].answered(), visitors[1].answered():  # both before either answer is awaited
        for visitor in visitors:
            visitor.page.click(".fill")
    for visitor, image in zip(visitors, images, strict=True):
        assert visitor.message() == "Filled."
        assert (pixels(visitor.download()) == inpaint(image, visitor.painted())).all()

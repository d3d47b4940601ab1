"""The page in a real browser: a server of its own, Debian's Chromium, and what a visitor does."""

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

UNPACKED = Path(__file__).parents[2] / "build/chromium/chromium"
CHROMIUM = next((path for path in (Path("/usr/bin/chromium"), UNPACKED) if path.exists()), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
"""Headless, and with no other host to be found: the page must work on a machine without internet."""

PHONE = {"width": 360, "height": 740}


def needs_browser() -> list[pytest.MarkDecorator]:
    """Marks that skip a module, with the reason, where the page cannot be opened in a browser."""
    from importlib.util import find_spec

    missing = [name for name in ("gradio", "playwright") if find_spec(name) is None]
    if CHROMIUM is None:
        missing.append("Chromium (make browser, or apt-get install chromium)")
    return [pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")]


@contextlib.contextmanager
def served(*arguments: str | Path) -> Iterator[str]:
    """The address of an `inpaint-page` with these arguments, which ends with the block and must end well."""
    command = [sys.executable, "-c", "from inpaintrt.serving.page.command import main; main()", *map(str, arguments)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        document = ""
        while "}\n}" not in document:
            line = process.stdout.readline()
            assert line, f"inpaint-page ended with {process.wait()}"
            document += line
        yield str(json.loads(document)["url"])
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Chromium, as Playwright drives it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """A visitor with the page open; `foreign` are the addresses on other hosts that it was sent to, in vain."""

    page: Any
    foreign: list[str]

    @classmethod
    def arrive(
        cls,
        chromium: Any,
        address: str,
        viewport: dict[str, int] | None = None,
        phone: bool = False,
        login: tuple[str, str] | None = None,
    ) -> "Visitor":
        """Open the page, and log in where it asks for it."""
        context = chromium.new_context(viewport=viewport or {"width": 1000, "height": 900}, has_touch=phone)
        context.set_default_timeout(60_000)
        visitor = cls(context.new_page(), [])
        context.route(lambda url: not is_local(url, address), visitor.refuse)
        visitor.page.goto(address)
        if login:
            visitor.log_in(*login)
        visitor.page.wait_for_selector(".editor[aria-busy=false] .choose")
        return visitor

    def refuse(self, route: Any) -> None:
        """Let nothing leave the machine."""
        self.foreign.append(route.request.url)
        route.abort()

    def log_in(self, user: str, password: str) -> None:
        """Fill Gradio's login form, and send it."""
        self.page.fill("input[type=text]", user)
        self.page.fill("input[type=password]", password)
        self.page.click("button:has-text('Login')")

    def hand_over(self, content: bytes, name: str, kind: str) -> str:
        """Drop a file on the page, or paste it; what the page then says."""
        files = self.page.evaluate_handle(
            """([bytes, name]) => { const transfer = new DataTransfer();
              transfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'})); return transfer; }""",
            [list(content), name],
        )
        event = {
            "drop": "DragEvent(kind, {dataTransfer: files, ",
            "paste": "ClipboardEvent(kind, {clipboardData: files, ",
        }
        with self.answered():
            self.page.evaluate(
                f"([files, kind]) => document.querySelector('.editor').dispatchEvent(new {event[kind]}"
                " bubbles: true, cancelable: true}))",
                [files, kind],
            )
        return self.message()

    def choose(self, content: bytes, name: str, control: str = ".image-file") -> str:
        """Choose a file; what the page then says."""
        with self.answered():
            self.page.set_input_files(control, {"name": name, "mimeType": "image/png", "buffer": content})
        return self.message()

    @contextlib.contextmanager
    def answered(self) -> Iterator[None]:
        """What is done in the block ends with a message of the page."""
        said = "Number(document.querySelector('.editor').dataset.said || 0)"
        before = self.page.evaluate(said)
        yield
        self.page.wait_for_function(f"{said} > {before}")

    def message(self) -> str:
        """What the page says."""
        return str(self.page.inner_text(".message"))

    def on_image(self, x: float, y: float) -> tuple[float, float]:
        """Where on the screen a point of the canvas is, 0..1 each way."""
        self.page.locator(".paint").scroll_into_view_if_needed()
        box = self.page.locator(".paint").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, *points: tuple[float, float]) -> None:
        """Paint along points of the image, 0..1 each way, with the mouse."""
        self.page.mouse.move(*self.on_image(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.on_image(*point), steps=5)
        self.page.mouse.up()

    def painted(self) -> np.ndarray:
        """The mask on the canvas, bool [H,W] of the view's size, as the browser holds it."""
        alpha = self.page.evaluate(
            """() => { const c = document.querySelector('.paint'); const d = c.getContext('2d')
              .getImageData(0, 0, c.width, c.height).data; let s = ''; for (let i = 3; i < d.length; i += 4)
              s += d[i] < 128 ? '0' : '1'; return [c.width, c.height, s]; }"""
        )
        return (np.frombuffer(alpha[2].encode(), dtype=np.uint8) == ord("1")).reshape(alpha[1], alpha[0])

    def fill(self) -> str:
        """Press Fill; what the page then says."""
        with self.answered():
            self.page.click(".fill")
        return self.message()

    def download(self) -> bytes:
        """The content of the download."""
        with self.page.expect_download() as waiting:
            self.page.click(".download")
        return Path(waiting.value.path()).read_bytes()


def is_local(url: str, address: str) -> bool:
    """Whether a request stays with the server, or needs none."""
    return url.startswith(address) or bool(re.match(r"(data|blob|about):", url))


def png(values: np.ndarray, **options: Any) -> bytes:
    """An array as the content of a PNG."""
    return encoded(Image.fromarray(values), "PNG", **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as the content of a file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def pixels(content: bytes) -> np.ndarray:
    """The pixels of an image file."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)

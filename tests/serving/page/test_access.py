"""Who may come in, which bundles are offered, and how many may wait: in Chromium."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.serving.page import Limits, make_page
from inpaintrt.serving.page.blocks import BUSY
from tests.conftest import random_image
from tests.serving.browser import Visitor, needs_browser, pixels, png, served

Visit = Callable[..., Visitor]

pytestmark = [*needs_browser(), pytest.mark.slow]


def test_visitors_log_in_and_choose_among_bundles(
    visit: Visit, dynamic_bundle: Bundle, shared_bundle: Bundle, tmp_path: Path
) -> None:
    bundles = {"places": dynamic_bundle, "faces": shared_bundle}
    for name, bundle in bundles.items():
        (tmp_path / name).mkdir()
        for file in bundle.path.rglob("*"):
            target = tmp_path / name / file.relative_to(bundle.path)
            target.mkdir() if file.is_dir() else target.write_bytes(file.read_bytes())
    folders = [tmp_path / name for name in bundles]
    image = random_image(80, 100, seed=7)[0]
    with served(*folders, "--host", "127.0.0.1", "--user", "ann", "--password", "secret") as address:
        for path in ("config", "gradio_api/file=/etc/passwd", "gradio_api/queue/data?session_hash=x"):
            with pytest.raises(urllib.error.HTTPError, match=r"40[134]"):
                urllib.request.urlopen(address + path)
        visitor = visit(address, login=("ann", "secret"))
        visitor.choose(png(image), "photo.png")
        visitor.drag((0.3, 0.3), (0.6, 0.6))
        mask = visitor.painted()
        for name in bundles:
            visitor.page.select_option(".bundle", name)
            assert visitor.fill() == "Filled."
            with Inpainter(tmp_path / name, "cpu") as inpaint:
                assert (pixels(visitor.download()) == inpaint(image, mask)).all()


class Held(Inpainter):
    """Fills when it is let go."""

    go = threading.Event()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        assert self.go.wait(300)
        return super().__call__(*arguments, **options)


@pytest.fixture
def held(dynamic_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a page where one request runs, one may wait, and none ends before `Held.go` is set."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with Held(dynamic_bundle.path, "cpu", 1) as inpaint:
        page = make_page({"places": inpaint}, Limits(waiting=1, at_once=1))
        _, address, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
        yield address
        Held.go.set()
        page.close()


@pytest.mark.filterwarnings("ignore:::gradio")
def test_who_comes_when_too_many_wait_is_told(visit: Visit, held: str, dynamic_bundle: Bundle) -> None:
    visitors = [visit(held) for _ in range(3)]
    images = [random_image(60, 60, seed)[0] for seed in range(3)]
    for visitor, image in zip(visitors, images, strict=True):
        visitor.choose(png(image), "photo.png")
        visitor.drag((0.2, 0.2), (0.5, 0.5))
    for visitor in visitors[:2]:
        visitor.page.click(".fill")
        visitor.page.wait_for_function("document.querySelector('.message').textContent == 'Filling ...'")
        visitor.page.wait_for_timeout(2000)  # until the request is in the queue
    assert visitors[2].fill() == BUSY
    with visitors[0].answered(), visitors[1].answered():
        Held.go.set()
    assert visitors[2].fill() == "Filled."
    with Inpainter(dynamic_bundle.path, "cpu", 1) as inpaint:
        for visitor, image in zip(visitors, images, strict=True):
            assert visitor.message() == "Filled."
            assert (pixels(visitor.download()) == inpaint(image, visitor.painted())).all()

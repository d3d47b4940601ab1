"""The page as Gradio Blocks, to be launched, or mounted in an application of one's own."""

import logging
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime import Inpainter, InpaintrtError
from ..extras import load_extra
from .limits import Limits
from .requests import PageRequests

if TYPE_CHECKING:
    import gradio

DEFECT = "the server met a defect of its own; whoever runs it finds the details in its log"
BUSY = "too many people are waiting, or the server stopped; try again in a minute"

LOG = logging.getLogger(__name__)


def make_page(inpainters: Mapping[str, Inpainter], limits: Limits | None = None) -> "gradio.Blocks":
    """The page, with its queue set up.

    ::

        page = make_page({"places": Inpainter("places")})
        page.launch(max_file_size=Limits().max_upload)

    Everything the page loads comes from this server. The inpainters must stay open as long as the page is served.

    Args:
        inpainters: by the names that the page offers; the first is chosen at the start.
        limits: what a visitor may ask.

    Raises:
        BackendError: if gradio is not installed.
        ValueError: if there are no inpainters.
    """
    if not inpainters:
        raise ValueError("make_page needs at least one Inpainter")
    gr = load_extra("page", "gradio")
    limits = limits or Limits()
    with gr.Blocks(
        title="Inpaint", analytics_enabled=False, delete_cache=(limits.keep_seconds // 4 + 1, limits.keep_seconds)
    ) as page:
        editor = gr.HTML(
            value={},
            html_template=_asset("editor.html"),
            css_template=_asset("editor.css"),
            js_on_load=_asset("painting.js") + _asset("editor.js"),
            apply_default_css=False,
            elem_id="editor",
            bundles=[
                {"name": name, "fixed": list(size) if (size := inpainter.fixed_size) else None}
                for name, inpainter in inpainters.items()
            ],
        )
        requests = PageRequests(inpainters, Path(editor.GRADIO_CACHE), limits)
        for event, answer in (
            (editor.openimage, requests.open_image),
            (editor.openmask, requests.open_mask),
            (editor.fill, requests.fill),
        ):
            event(
                _in_words(gr.EventData, answer),
                outputs=editor,
                api_visibility="private",
                show_progress="hidden",
                concurrency_id="images",
                concurrency_limit=limits.at_once,
            ).failure(
                lambda: {"kind": "error", "error": BUSY, "serial": time.time()},
                outputs=editor,
                api_visibility="private",
                queue=False,
            )
    return page.queue(max_size=limits.waiting)


def _in_words(event_data: type, answer: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[..., Any]:
    """A Gradio event handler that answers with words where `answer` cannot."""

    def handle(event: Any) -> dict[str, Any]:
        asked = event._data if isinstance(event._data, dict) else {}
        try:
            reply = answer(asked)
        except InpaintrtError as error:
            reply = {"kind": "error", "error": str(error)}
        except Exception:  # whatever it is, the visitor reads words and the page stays usable
            LOG.exception("a request of the page failed")
            reply = {"kind": "error", "error": DEFECT}
        return {**reply, "serial": asked.get("serial")}

    handle.__annotations__["event"] = event_data  # how Gradio knows what to pass
    return handle


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")

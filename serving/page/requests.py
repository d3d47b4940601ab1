"""What the page asks of the server: to open an image, to open a mask, to fill. Without gradio.

The server keeps no visitor's state: a request names the files it is about, by the paths that the server gave out when
they were uploaded or made. A path outside the folder of uploads is refused, and a path inside it cannot be guessed.
"""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...runtime import Inpainter
from ...runtime.errors import ImageError
from ...runtime.images import decode_image, decode_mask, encode_mask, encode_png
from .limits import Limits

VIEW_SIDE = 1600
"""The longer side of what the browser shows and paints on, in pixels; a phone's memory is the limit."""

NAME_LENGTH = 80
"""Characters of a file's name that messages repeat."""

Reply = dict[str, Any]


class PageRequests:
    """Answers the page's requests; may be shared by threads.

    Every request is a mapping from the browser, and every answer goes back to it as JSON. All three methods raise
    `ImageError` in words for the visitor.

    Args:
        inpainters: by the names that the page offers.
        folder: where Gradio puts uploads, and where results go.
        limits: what a visitor may ask.
    """

    def __init__(self, inpainters: Mapping[str, Inpainter], folder: Path, limits: Limits):
        self._inpainters = dict(inpainters)
        self._folder = folder
        self._results = folder / "results"
        self._limits = limits

    def open_image(self, asked: Mapping[str, Any]) -> Reply:
        """Look at an upload, `path` with the visitor's `name` for it: its size, and a view for the browser."""
        name = _name(asked)
        image = decode_image(self._content(asked.get("path"), name), name, self._limits.max_pixels)
        return {"kind": "image", "path": asked["path"], "name": name, **self._seen(image.rgb)}

    def open_mask(self, asked: Mapping[str, Any]) -> Reply:
        """Look at an uploaded mask, `path` with its `name`, for an image of `width` x `height`."""
        name = _name(asked)
        hole = decode_mask(self._content(asked.get("path"), name), name, self._limits.max_pixels)
        _check_size(name, hole, asked.get("width"), asked.get("height"))
        view = Image.fromarray(hole).resize(view_size(hole.shape[1], hole.shape[0]), Image.Resampling.NEAREST)
        content = encode_mask(np.asarray(view))
        return {"kind": "mask", "path": asked["path"], "name": name, "view": self._keep(content, "mask.png")}

    def fill(self, asked: Mapping[str, Any]) -> Reply:
        """Fill the holes of `image`, which the visitor calls `name`, with the bundle called `bundle`.

        The mask is the upload `mask`: a file of the image's size, or with `painted` a PNG of its view's size. A bundle
        whose mask is fixed takes none.
        """
        name = _name(asked)
        inpainter = self._inpainters.get(str(asked.get("bundle")))
        if inpainter is None:
            raise ImageError(f"no bundle is called {asked.get('bundle')!r}; reload the page")
        image = decode_image(self._content(asked.get("image"), name), name, self._limits.max_pixels)
        hole = None if inpainter.fixed_size else self._hole(asked, image.rgb)
        start = time.perf_counter()
        filled = inpainter(image.rgb, hole)
        seconds = time.perf_counter() - start
        result = self._keep(encode_png(filled, image), f"{Path(name).stem or 'image'}-filled.png")
        return {
            "kind": "filled",
            "path": result["path"],
            "name": result["orig_name"],
            **self._seen(filled),
            "result": result,
            "backend": inpainter.backend.name,
            "why": str(inpainter.backend),
            "seconds": round(seconds, 3),
            "hole_ratio": None if hole is None else round(float(hole.mean()), 4),
        }

    def _hole(self, asked: Mapping[str, Any], rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
        height, width = rgb.shape[:2]
        hole = decode_mask(self._content(asked.get("mask"), "the mask"), "the mask", self._limits.max_pixels)
        if asked.get("painted"):
            _check_size("the painted mask", hole, *view_size(width, height))
            hole = np.asarray(Image.fromarray(hole).resize((width, height), Image.Resampling.NEAREST))
        _check_size("the mask", hole, width, height)
        if not hole.any():
            raise ImageError("the mask has no hole; paint over what is to be filled first")
        return hole

    def _content(self, path: Any, name: str) -> bytes:
        """The content of an upload or result; a path that the server did not give out is refused."""
        found = Path(str(path)).resolve()
        if not found.is_relative_to(self._folder.resolve()):
            raise ImageError(f"{name}: was not uploaded here; choose it again")
        try:
            size = found.stat().st_size
            if size > self._limits.max_upload and not found.is_relative_to(self._results.resolve()):
                limit = self._limits.max_upload / 2**20
                raise ImageError(f"{name}: is larger than {limit:g} MiB; choose a smaller file")
            content = found.read_bytes()
        except OSError:
            raise ImageError(f"{name}: is no longer on the server; choose it again") from None
        if not content:
            raise ImageError(f"{name}: is empty; choose another file")
        return content

    def _seen(self, rgb: NDArray[np.uint8]) -> Reply:
        """Size of an image, and a view of it: never larger than the browser can paint on, and only to look at."""
        height, width = rgb.shape[:2]
        size = view_size(width, height)
        view = self._new_file("view.jpg")
        Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS).save(view, "JPEG", quality=95, subsampling=0)
        return {"width": width, "height": height, "view_size": list(size), "view": _served(view)}

    def _keep(self, content: bytes, name: str) -> Reply:
        path = self._new_file(name)
        path.write_bytes(content)
        return _served(path)

    def _new_file(self, name: str) -> Path:
        path = self._results / secrets.token_hex(16) / name
        path.parent.mkdir(parents=True)
        return path


def view_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the view of an image: its own, or with a longer side of `VIEW_SIDE`."""
    scale = min(1.0, VIEW_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _served(path: Path) -> Reply:
    """A file that Gradio offers to the browser under a `url`."""
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def _name(asked: Mapping[str, Any]) -> str:
    """What the visitor calls a file, fit for a message and for a file's name."""
    name = Path(str(asked.get("name") or "the file")).name
    return "".join(c for c in name if c.isprintable() and c not in '<>:"|?*\\')[-NAME_LENGTH:] or "the file"


def _check_size(name: str, hole: NDArray[np.bool_], width: Any, height: Any) -> None:
    if hole.shape != (height, width):
        have = f"{hole.shape[1]}x{hole.shape[0]}"
        raise ImageError(f"{name}: is {have}, but the image is {width}x{height}; they must have one size")

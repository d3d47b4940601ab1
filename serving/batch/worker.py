"""What runs in Ray's actors: an `Inpainter` each, opened once, for any number of images."""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...runtime import Bundle, Inpainter, InpaintrtError
from ...runtime.errors import ImageError
from ...runtime.images import DecodedImage, decode_image, decode_mask, encode_png
from .storage import Storage

Row = dict[str, Any]

FACTS = {"hole_ratio": float, "backend": str, "seconds": float, "error": str}
"""What is told of each image; `error` is empty where it was filled."""


def pack(bundle: str | Path) -> dict[str, bytes]:
    """A bundle as the content of its files, checked, to go where its directory does not exist."""
    opened = Bundle.open(bundle)
    files = {artifact.path: opened.file(artifact) for artifact in opened.artifacts}
    return {**files, "bundle.json": (opened.path / "bundle.json").read_bytes()}


class Worker:
    """Base of the actors.

    Args:
        packed: reference to what `pack` gave, in Ray's object store.
        device: as of `Inpainter`.
        threads: CPU threads for one image.
        max_pixels: larger images become errors, before they are decoded.
    """

    def __init__(self, packed: Any, device: str, threads: int, max_pixels: int):
        import ray  # only in a cluster

        with tempfile.TemporaryDirectory(prefix="inpaint-batch-") as folder:
            for name, content in ray.get(packed).items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self._inpainter = Inpainter(folder, device, threads)
        self._max_pixels = max_pixels

    def fill(self, name: str, image: Any, mask: Any) -> tuple[bytes, Row]:
        """Fill one image.

        Args:
            name: for messages.
            image: an encoded file, or uint8 [H,W,3].
            mask: an encoded file, or uint8 or bool [H,W], non-zero = hole; None if the bundle's is fixed.

        Returns:
            The content of a PNG, and the facts.

        Raises:
            ImageError: if image or mask cannot be read or do not fit.
        """
        if isinstance(image, bytes):
            original = decode_image(image, name, self._max_pixels)
        else:
            original = DecodedImage(np.asarray(image), None, False, {})
        if isinstance(mask, bytes):
            mask = decode_mask(mask, f"mask of {name}", self._max_pixels)
        if mask is not None and np.shape(mask) != original.rgb.shape[:2]:
            have, need = (f"{shape[1]}x{shape[0]}" for shape in (np.shape(mask), original.rgb.shape))
            raise ImageError(f"mask of {name}: is {have}, but the image is {need}")
        start = time.perf_counter()
        filled = self._inpainter(original.rgb, mask)
        facts = {
            "hole_ratio": float("nan") if mask is None else float(np.mean(np.asarray(mask) != 0)),
            "backend": self._inpainter.backend.name,
            "seconds": time.perf_counter() - start,
            "error": "",
        }
        return encode_png(filled, original), facts

    def told(self, name: str, work: Callable[[], Row]) -> Row:
        """What `work` gives, or the facts of a failure: one image must not stop a million."""
        try:
            return work()
        except (InpaintrtError, OSError) as error:
            reason = str(error)
        except Exception as error:
            logging.getLogger(__name__).exception("%s failed", name)
            reason = f"a defect of inpaintrt: {type(error).__name__}: {error}"
        return {"hole_ratio": float("nan"), "backend": self._inpainter.backend.name, "seconds": 0.0, "error": reason}


class FileWorker(Worker):
    """Fills files: a row names an image and a mask, and becomes the row of the manifest.

    Args:
        storage: where files are.
    """

    def __init__(self, storage: Storage, **options: Any):
        super().__init__(**options)
        self._storage = storage

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Fill the rows of a batch, and write a PNG for each."""
        rows = []
        for name, image, mask in zip(batch["name"], batch["image"], batch["mask"], strict=True):
            rows.append({"name": name, **self.told(name, partial(self._fill_file, name, image, mask))})
        return as_columns(rows, {"name": str, **FACTS})

    def _fill_file(self, name: str, image: str, mask: str) -> Row:
        files = self._storage
        content, facts = self.fill(image, files.read_image(image), files.read_mask(mask))
        files.write_result(name, content)
        return facts


class ColumnWorker(Worker):
    """Fills the columns of a dataset.

    Args:
        image, mask: names of the columns; `mask` None if the bundle's is fixed.
    """

    def __init__(self, image: str, mask: str | None, **options: Any):
        super().__init__(**options)
        self._image, self._mask = image, mask

    def __call__(self, row: Row) -> Row:
        """The row without image and mask, with `filled` and the facts."""
        rest = {key: value for key, value in row.items() if key not in (self._image, self._mask)}

        def work() -> Row:
            mask = None if self._mask is None else row[self._mask]
            content, facts = self.fill("the image", row[self._image], mask)
            return {"filled": content, **facts}

        return {**rest, "filled": b"", **self.told("a row", work)}


def as_columns(rows: list[Row], kinds: Mapping[str, type]) -> dict[str, np.ndarray]:
    """Rows as Ray's columns, typed even where there are none."""
    kind = {str: np.object_, float: np.float64}
    return {key: np.array([row[key] for row in rows], dtype=kind[kinds[key]]) for key in kinds}

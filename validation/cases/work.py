"""How much was run: images, counted in forward passes at the best size, so that the count is the same everywhere."""

from typing import Any

from inpaintrt.runtime.bundle import Profile

from .batches import Batch


class Work:
    """Pixels that ran, by what they ran on."""

    def __init__(self) -> None:
        self._pixels: dict[str, int] = {}

    def add(self, name: str, batch: Batch) -> None:
        """One more run of a batch on PyTorch or a candidate."""
        self._pixels[name] = self._pixels.get(name, 0) + batch.pixels

    def in_passes(self, profile: Profile) -> dict[str, Any]:
        """Forward passes of one image of the best size that take as many pixels.

        Returns:
            `height` and `width`, the `passes` of each that ran, and `total`.
        """
        height, width = profile.height[1], profile.width[1]
        passes = {name: round(pixels / (height * width), 3) for name, pixels in self._pixels.items()}
        return {"height": height, "width": width, "passes": passes, "total": round(sum(passes.values()), 3)}

"""What the tests of clips share: a mask of their size, an open network, and the frames of a clip."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """One hole of 10x20 pixels, at odd places, so that chroma values at its rim stand for known pixels too."""
    hole = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    hole[11:21, 21:41] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture(scope="module")
def inpainter(shared_bundle: Bundle) -> Iterator[Inpainter]:
    with Inpainter(shared_bundle.path, "cpu") as opened:
        yield opened


def frames(path: Path) -> list[Any]:
    """All frames of a clip, decoded."""
    import av  # an extra; tests without it are skipped

    with av.open(str(path)) as container:
        return list(container.decode(video=0))

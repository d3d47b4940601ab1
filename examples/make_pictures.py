"""Makes the example photo and mask, and the README's picture from them: before, mask, after.

The photo is `chelsea` from scikit-image (CC0, by Stefan van der Walt), which no training crop was taken from. Its mask
is an irregular one of the corpus, 10-20 % holes.
"""

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from inpaintrt.runtime import Inpainter
from inpaintrt.validation.masks import irregular_mask

HERE = Path(__file__).parent
BUNDLE = HERE.parent / "build" / "demo"
GAP = 8
SEED = 1


def main() -> None:
    """Write photo.png, mask.png and docs/before-mask-after.png; needs the bundle of `make demo`."""
    photo = np.array(skimage.data.chelsea())
    hole = irregular_mask(*photo.shape[:2], (0.1, 0.2), np.random.default_rng(SEED))
    Image.fromarray(photo).save(HERE / "photo.png", optimize=True)
    Image.fromarray(hole).save(HERE / "mask.png", optimize=True)
    if not BUNDLE.exists():
        raise SystemExit(f"{BUNDLE} does not exist: run make demo first, then this again for the README's picture")
    with Inpainter(BUNDLE, device="cpu") as inpaint:
        filled = inpaint(photo, hole)
    before = np.where(hole[..., None], np.uint8(255), photo)
    mask = np.repeat(np.where(hole, np.uint8(0), np.uint8(255))[..., None], 3, axis=2)
    gap = np.full((photo.shape[0], GAP, 3), 255, dtype=np.uint8)
    strip = np.hstack([photo, gap, before, gap, mask, gap, filled])
    Image.fromarray(strip).save(HERE.parent / "docs" / "before-mask-after.png", optimize=True)


if __name__ == "__main__":
    main()

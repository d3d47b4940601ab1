"""Makes the pictures of the docs: the mask corpus; the example photo and mask, and from them before, mask, after; and
the photographs that are held out, filled by each method.

The photo is `chelsea` from scikit-image (CC0, by Stefan van der Walt), which no training crop was taken from. Its mask
is an irregular one of the corpus, 10-20 % holes.
"""

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

from inpaintrt.runtime import Inpainter
from inpaintrt.training.evaluate import held_out_images
from inpaintrt.training.methods import BASELINES, checkpoint_method
from inpaintrt.validation.cases.images import fit
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask, mask_corpus

HERE = Path(__file__).parent
BUNDLE = HERE.parent / "build" / "demo"
GAP = 8
SEED = 1
PHOTO = 256
SIDE, COLUMNS, CAPTION = 144, 7, 18
"""Pixels of a mask in the contact sheet, masks in a row, and pixels of the line below each."""


def contact_sheet() -> Image.Image:
    """The mask corpus, holes black, each mask with its name and hole ratio below."""
    cases = mask_corpus(SIDE, SIDE)
    rows = -(-len(cases) // COLUMNS)
    cell = (SIDE + GAP, SIDE + CAPTION + GAP)
    sheet = Image.new("L", (COLUMNS * cell[0] + GAP, rows * cell[1] + GAP), 255)
    draw = ImageDraw.Draw(sheet)
    for number, case in enumerate(cases):
        left, top = GAP + number % COLUMNS * cell[0], GAP + number // COLUMNS * cell[1]
        sheet.paste(Image.fromarray(np.where(case.hole, np.uint8(0), np.uint8(255))), (left, top))
        draw.rectangle((left - 1, top - 1, left + SIDE, top + SIDE), outline=160)
        draw.text((left, top + SIDE + 3), case.name.replace("irregular ", ""), fill=0)
    return sheet.quantize(4)


def filled_photos() -> Image.Image:
    """Each held-out photograph with holes of another bucket, filled by two simple methods and by the demo networks."""
    methods = {name: BASELINES[name] for name in ("Telea", "biharmonic")}
    methods |= {name: checkpoint_method(HERE / f"{name}.ckpt") for name in ("demo", "demo-gated")}
    heads = ("holes", *methods, "original")
    cell = PHOTO + GAP
    photos = held_out_images()
    sheet = Image.new("RGB", (len(heads) * cell + GAP, CAPTION + len(photos) * cell + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        draw.text((GAP + column * cell, GAP // 2), head, fill="black")
    for row, photo in enumerate(photos.values()):
        original = fit(photo, PHOTO, PHOTO)
        bucket = HOLE_RATIO_BUCKETS[row]
        hole = irregular_mask(PHOTO, PHOTO, bucket, np.random.default_rng(SEED), border=False)
        shown = [np.where(hole[..., None], np.uint8(255), original)]
        shown += [method(original, hole) for method in methods.values()]
        for column, picture in enumerate((*shown, original)):
            sheet.paste(Image.fromarray(picture), (GAP + column * cell, CAPTION + row * cell))
    return sheet


def main() -> None:
    """Write the pictures to docs/ and here; docs/before-mask-after.png needs `make demo`'s bundle."""
    contact_sheet().save(HERE.parent / "docs" / "mask-corpus.png", optimize=True)
    filled_photos().save(HERE.parent / "docs" / "held-out.jpg", quality=90)
    photo = np.array(skimage.data.chelsea())
    height, width = photo.shape[:2]
    hole = irregular_mask(height, width, (0.1, 0.2), np.random.default_rng(SEED))
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

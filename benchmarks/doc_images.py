"""The images of README and docs: `python -m benchmarks.doc_images`, after `make demo`.

The mask corpus; the example image and its mask, and from them image, holes, mask, filled; and the held-out images,
filled by each method. Masks are shown as the interface has them: holes are white.

The example image is `chelsea` from scikit-image (CC0, by Stefan van der Walt), of which no training crop was taken. Its
mask is an irregular one of the corpus, 10-20 % holes.
"""

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

from inpaintrt.runtime import Inpainter
from inpaintrt.training.held_out import held_out_images
from inpaintrt.training.methods import BASELINES, checkpoint_method
from inpaintrt.validation.cases.images import fit
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask, mask_corpus

ROOT = Path(__file__).parent.parent
EXAMPLES, DOCS = ROOT / "examples", ROOT / "docs"
BUNDLE = ROOT / "build" / "demo"
GAP = 8
SEED = 1
SIZE = 256
SIDE, COLUMNS, CAPTION = 144, 7, 18
"""Pixels of a mask in the contact sheet, masks in a row, and pixels of the line below each."""


def contact_sheet() -> Image.Image:
    """The mask corpus, holes white, each mask with its name and hole ratio below."""
    cases = mask_corpus(SIDE, SIDE)
    rows = -(-len(cases) // COLUMNS)
    cell = (SIDE + GAP, SIDE + CAPTION + GAP)
    sheet = Image.new("L", (COLUMNS * cell[0] + GAP, rows * cell[1] + GAP), 255)
    draw = ImageDraw.Draw(sheet)
    for number, case in enumerate(cases):
        left, top = GAP + number % COLUMNS * cell[0], GAP + number // COLUMNS * cell[1]
        sheet.paste(Image.fromarray(case.hole.astype(np.uint8) * 255), (left, top))
        draw.rectangle((left - 1, top - 1, left + SIDE, top + SIDE), outline=160)
        draw.text((left, top + SIDE + 3), case.name.replace("irregular ", ""), fill=0)
    return sheet.quantize(4)


def filled_images() -> Image.Image:
    """Each held-out image with holes of another bucket, filled by two simple methods and by the demo networks."""
    methods = {name: BASELINES[name] for name in ("Telea", "biharmonic")}
    methods |= {name: checkpoint_method(EXAMPLES / f"{name}.ckpt") for name in ("demo", "demo-gated")}
    heads = ("holes", *methods, "original")
    cell = SIZE + GAP
    images = held_out_images()
    sheet = Image.new("RGB", (len(heads) * cell + GAP, CAPTION + len(images) * cell + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        draw.text((GAP + column * cell, GAP // 2), head, fill="black")
    for row, image in enumerate(images.values()):
        original = fit(image, SIZE, SIZE)
        bucket = HOLE_RATIO_BUCKETS[row]
        hole = irregular_mask(SIZE, SIZE, bucket, np.random.default_rng(SEED), border=False)
        shown = [np.where(hole[..., None], np.uint8(255), original)]
        shown += [method(original, hole) for method in methods.values()]
        for column, cell_image in enumerate((*shown, original)):
            sheet.paste(Image.fromarray(cell_image), (GAP + column * cell, CAPTION + row * cell))
    return sheet


def main() -> None:
    """Write the images to docs/ and examples/; docs/before-mask-after.png needs the bundle of `make demo`."""
    contact_sheet().save(DOCS / "mask-corpus.png", optimize=True)
    filled_images().save(DOCS / "held-out.jpg", quality=90)
    image = np.array(skimage.data.chelsea())
    height, width = image.shape[:2]
    hole = irregular_mask(height, width, (0.1, 0.2), np.random.default_rng(SEED))
    Image.fromarray(image).save(EXAMPLES / "image.png", optimize=True)
    Image.fromarray(hole).save(EXAMPLES / "mask.png", optimize=True)
    if not BUNDLE.exists():
        raise SystemExit(f"{BUNDLE} does not exist: run make demo first, then this again for the image in the README")
    with Inpainter(BUNDLE, device="cpu") as inpaint:
        filled = inpaint(image, hole)
    before = np.where(hole[..., None], np.uint8(255), image)
    mask = np.repeat(hole[..., None].astype(np.uint8) * 255, 3, axis=2)
    gap = np.full((image.shape[0], GAP, 3), 255, dtype=np.uint8)
    strip = np.hstack([image, gap, before, gap, mask, gap, filled])
    Image.fromarray(strip).save(DOCS / "before-mask-after.png", optimize=True)


if __name__ == "__main__":
    main()

"""Fill the holes of an image in a Python program: `python examples/python_runtime.py BUNDLE IMAGE MASK OUTPUT`."""

import sys

import numpy as np
from PIL import Image

from inpaintrt.runtime import Inpainter


def main(bundle: str, image_path: str, mask_path: str, output: str) -> None:
    """Fill one image; an application keeps the `Inpainter` open and calls it for every image."""
    image = np.array(Image.open(image_path).convert("RGB"))  # uint8 [H,W,3]
    mask = np.array(Image.open(mask_path).convert("L"))  # uint8 [H,W], non-zero = hole
    with Inpainter(bundle) as inpaint:
        print(inpaint.backend)  # noqa: T201 - which backend was chosen, and why not the others
        filled = inpaint(image, mask)  # known pixels are bit-identical
    Image.fromarray(filled).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])

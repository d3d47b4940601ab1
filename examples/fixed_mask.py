"""Remove a logo that never moves: `python examples/fixed_mask.py CHECKPOINT MASK IMAGE OUTPUT`.

With a fixed mask, everything that depends only on the mask is computed once, at export. The bundle takes no mask.
"""

import sys
import tempfile

import numpy as np
from PIL import Image

from inpaintrt.export import export_onnx
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime import Inpainter


def main(checkpoint: str, mask_path: str, image_path: str, output: str) -> None:
    """Export for one mask, and fill one image of its size."""
    loaded = load_checkpoint(checkpoint)
    hole = np.array(Image.open(mask_path).convert("L")) != 0  # bool [H,W], True = hole
    image = np.array(Image.open(image_path).convert("RGB"))
    with tempfile.TemporaryDirectory() as folder:
        bundle = export_onnx(loaded.network, folder, interface=loaded.interface, fixed_mask=hole)
        with Inpainter(bundle.path) as inpaint:
            Image.fromarray(inpaint(image)).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])

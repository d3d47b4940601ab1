"""MI-GAN to a bundle, with its own code: `python examples/mi_gan.py CODE OUTPUT [CHECKPOINT] [SIZE]`.

CODE is a clone of https://github.com/Picsart-AI-Research/MI-GAN, CHECKPOINT the state dict that it links to (random
weights without one), SIZE 256 or 512, for which a checkpoint was made. From the command line:

    export-onnx migan_256_places2.pt --network examples/mi_gan.py:make_network --size 256 -o mi-gan \\
        --network-args '{"code": "MI-GAN", "size": 256}'

Any public network goes this way: import its class, put what it takes behind `forward(image, mask)`, and say in
`interface` how it is called.
"""

import importlib
import sys
from typing import Any

import torch
from torch import Tensor, nn

from inpaintrt.export import Interface, export_onnx


def make_network(code: str, size: int = 256) -> nn.Module:
    """MI-GAN's generator for one size, which takes the mask, less a half, before the image in one tensor.

    Args:
        code: folder of its code.
        size: height and width in pixels.
    """
    sys.path.insert(0, code)
    try:
        generator: Any = importlib.import_module("lib.model_zoo.migan_inference").Generator
    finally:
        sys.path.remove(code)

    class MiGan(generator):  # type: ignore[misc]
        """A subclass, so that the names of the weights stay those of the checkpoint."""

        interface = Interface(image_range=(-1.0, 1.0), mask_polarity="valid", size_multiple=size)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            filled: Tensor = super().forward(torch.cat([mask - 0.5, image], 1))
            return filled

    network: nn.Module = MiGan(size)
    return network


def main(code: str, output: str, checkpoint: str = "", size: str = "256") -> None:
    """Export both precisions for one size."""
    torch.manual_seed(0)
    network = make_network(code, int(size))
    if checkpoint:
        network.load_state_dict(torch.load(checkpoint, weights_only=True))
    bundle = export_onnx(network, output, size=(int(size), int(size)))
    print(*(bundle.path / artifact.path for artifact in bundle.artifacts), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

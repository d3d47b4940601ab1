"""A network of your own to a bundle: `python examples/own_network.py OUTPUT [CHECKPOINT]`.

The network is two partial convolutions as many people write them. Replace it with yours: all that is needed is
`forward(image, mask)`. The same from the command line, without a line of Python:

    export-onnx my.pth --network examples/own_network.py:make_network -o my-bundle --size 64
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export import Interface, export_onnx
from inpaintrt.validation import validate


class Layer(nn.Module):
    """Convolve what is known, divide by how much of the window is known, and update the mask."""

    ones: Tensor

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 5, padding=2, bias=False)
        self.register_buffer("ones", torch.ones(1, 1, 5, 5))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        known = F.conv2d(mask, self.ones, padding=2)  # how many of 25 are known
        ratio = 25 / (known + 1e-8)
        updated = known.clamp(0, 1)
        return self.conv(features * mask) * ratio * updated, updated


class Network(nn.Module):
    """Two layers; image [N,3,H,W] in 0..1 and mask [N,1,H,W], 1 = known, to the filled image [N,3,H,W]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = Layer(3, 16), Layer(16, 3)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features, updated = self.first(image, mask)
        output: Tensor = self.last(torch.relu(features), updated)[0]
        return output


def make_network() -> Network:
    """The network, which the command line calls without arguments."""
    return Network()


def main(output: str, checkpoint: str | None = None) -> None:
    """Export the network, and check the bundle against PyTorch."""
    torch.manual_seed(0)
    network = make_network()
    if checkpoint is not None:
        network.load_state_dict(torch.load(checkpoint, weights_only=True))
    # What the network expects: here the mask is 1 where the image is known, and the image is in 0..1.
    bundle = export_onnx(network, output, interface=Interface(mask_polarity="valid"), size=(64, 64))
    report = validate(bundle.path, network=network)
    print("passed" if report.passed else "failed", Path(output) / "reports" / "parity.json")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

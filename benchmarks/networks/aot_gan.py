"""AOT-GAN's generator as its checkpoints number it, to test against; it shares no code with the package."""

import torch
from torch import Tensor, nn

from inpaintrt.export import Interface


class Doubled(nn.Module):
    """A 3x3 convolution of features that are twice as large."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        doubled: Tensor = self.conv(nn.UpsamplingBilinear2d(scale_factor=2)(x))
        return doubled


class Block(nn.Module):
    """Dilated convolutions side by side, and a gate."""

    def __init__(self, channels: int, looks: int):
        super().__init__()
        for i in range(looks):
            layers = nn.ReflectionPad2d(2**i), nn.Conv2d(channels, channels // looks, 3, dilation=2**i), nn.ReLU()
            self.add_module(f"block{i:02}", nn.Sequential(*layers))
        self.fuse = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.gate = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.looks = looks

    def forward(self, x: Tensor) -> Tensor:
        found = self.fuse(torch.cat([self.get_submodule(f"block{i:02}")(x) for i in range(self.looks)], 1))
        deviation, mean = torch.std_mean(self.gate(x), (2, 3), keepdim=True)
        share = torch.sigmoid(((self.gate(x) - mean) / (deviation + 1e-9) * 2 - 1) * 5)
        return torch.lerp(x, found, share)


class Original(nn.Module):
    """The generator."""

    interface = Interface((-1.0, 1.0), mask_polarity="hole", fill=1.0, size_multiple=4)

    def __init__(self, width: int, blocks: int, looks: int):
        super().__init__()
        relu = nn.ReLU()
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(4, width, 7), relu,
            nn.Conv2d(width, 2 * width, 4, 2, 1), relu, nn.Conv2d(2 * width, 4 * width, 4, 2, 1), relu,
        )  # fmt: skip
        self.middle = nn.Sequential(*(Block(4 * width, looks) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            Doubled(4 * width, 2 * width), relu, Doubled(2 * width, width), relu, nn.Conv2d(width, 3, 3, padding=1)
        )

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return torch.tanh(self.decoder(self.middle(self.encoder(torch.cat([image, mask], 1)))))

"""AOT-GAN: aggregated contextual transformations.

Zeng et al., "Aggregated Contextual Transformations for High-Resolution Image Inpainting" (TVCG 2022), section 3.1. The
image is halved twice and doubled twice; in between are blocks that look at a place's surroundings at several distances
and keep, by a gate, what the block before found::

    z  =  fuse(concat over rates r of relu(conv_r(x)))                  conv_r: 3x3, dilation r, its share of channels
    g  =  sigmoid(norm(gate(x)))                                         norm(x) = 10 (x - mean(x)) / deviation(x) - 5
    y  =  x (1 - g) + z g
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..interface import Interface

SMALLEST_DEVIATION = 1e-9


class ContextBlock(nn.Module):
    """One block of aggregated contextual transformations.

    Args:
        channels: of the features [N,C,H,W] it takes and gives.
        rates: dilations; H and W must be larger than the largest.
    """

    def __init__(self, channels: int, rates: tuple[int, ...]):
        super().__init__()
        self.rates = rates
        share = channels // len(rates)
        self.looks = nn.ModuleList(nn.Conv2d(channels, share, 3, dilation=rate) for rate in rates)
        self.fuse, self.gate = nn.Conv2d(channels, channels, 3), nn.Conv2d(channels, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        pairs = zip(self.looks, self.rates, strict=True)
        seen = torch.cat([F.relu(look(_reflect(features, rate))) for look, rate in pairs], dim=1)
        fused = self.fuse(_reflect(seen, 1))
        raw = self.gate(_reflect(features, 1))
        centred = raw - raw.mean((2, 3), keepdim=True)
        deviation = raw.std((2, 3), keepdim=True) + SMALLEST_DEVIATION
        gate = torch.sigmoid(10 * centred / deviation - 5)
        mixed: Tensor = features * (1 - gate) + fused * gate
        return mixed


class AotGan(nn.Module):
    """The generator of AOT-GAN.

    Args:
        width: channels of the first layer; they double with each halving of the size.
        blocks: how many; 8 in the published networks.
        looks: dilated convolutions in each block, of the dilations 1, 2, 4 and so on; 4 in the published networks.

    Raises:
        ValueError: if the channels cannot be shared out.
    """

    def __init__(self, width: int = 64, blocks: int = 8, looks: int = 4):
        super().__init__()
        if 4 * width % looks:
            raise ValueError(f"{4 * width} channels cannot be shared out among {looks} dilations")
        self.arguments: dict[str, Any] = {"width": width, "blocks": blocks, "looks": looks}
        self.first = nn.Conv2d(4, width, 7)
        self.down = nn.ModuleList(nn.Conv2d(width * k, 2 * width * k, 4, 2, 1) for k in (1, 2))
        rates = tuple(2**i for i in range(looks))
        self.blocks = nn.ModuleList(ContextBlock(4 * width, rates) for _ in range(blocks))
        self.up = nn.ModuleList(nn.Conv2d(2 * width * k, width * k, 3, padding=1) for k in (2, 1))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill the holes of an image.

        Args:
            image: [N,3,H,W] in -1..1, white in the holes; H and W multiples of 4, at least 4 times the largest rate.
            mask: [N,1,H,W], 1 = hole.

        Returns:
            [N,3,H,W] in -1..1, known pixels predicted as well.
        """
        features = F.relu(self.first(_reflect(torch.cat([image, mask], dim=1), 3)))
        for conv in self.down:
            features = F.relu(conv(features))
        for block in self.blocks:
            features = block(features)
        for conv in self.up:
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
            features = F.relu(conv(features))
        return torch.tanh(self.last(features))

    def interface(self) -> Interface:
        """How it is called: images in -1..1 with white holes."""
        return Interface((-1.0, 1.0), mask_polarity="hole", fill=1.0, size_multiple=4)


def _reflect(features: Tensor, margin: int) -> Tensor:
    return F.pad(features, (margin,) * 4, mode="reflect")

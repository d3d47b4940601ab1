"""SN-PatchGAN: Yu et al., "Free-Form Image Inpainting with Gated Convolution" (ICCV 2019), section 3.3.

The discriminator sees image and mask and gives a map of features, each of which judges the region of the image that it
sees; the hinge loss is the mean over all of them. Layers, activations (also after the last layer) and first weights are
those of the authors' TensorFlow code.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

LAYERS = 6


class SNPatchDiscriminator(nn.Module):
    """Six convolutions, 5x5 with stride 2, each with spectral norm and LeakyReLU(0.2).

    Args:
        width: channels after the first layer, 64 in the paper; then twice, four times and from there on four times it.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        channels: Sequence[int] = (4, width, 2 * width, *[4 * width] * (LAYERS - 2))
        self.convolutions = nn.ModuleList()
        for before, after in pairwise(channels):
            convolution = nn.Conv2d(before, after, 5, stride=2, padding=2)
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            self.convolutions.append(spectral_norm(convolution))

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Judge images [N,3,H,W] in -1..1 with holes [N,1,H,W] (1 = hole): [N,4*width,H/64,W/64], high = real."""
        features = torch.cat([image, hole], dim=1)
        for convolution in self.convolutions:
            features = F.leaky_relu(convolution(features), 0.2)
        return features


def discriminator_loss(real: Tensor, filled: Tensor) -> Tensor:
    """E[ReLU(1 - D(real))] + E[ReLU(1 + D(filled))]."""
    return F.relu(1 - real).mean() + F.relu(1 + filled).mean()


def generator_loss(filled: Tensor) -> Tensor:
    """-E[D(filled)]."""
    return -filled.mean()

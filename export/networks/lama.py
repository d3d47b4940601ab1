"""LaMa: inpainting with fast Fourier convolutions.

Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions" (WACV 2022), section 2.1, figure 2;
the convolution is from Chi et al., "Fast Fourier Convolution" (NeurIPS 2020). Features are split into a *local* part,
which 3x3 convolutions see, and a *global* one, which is also convolved in its spectrum, where every place sees all::

    local'   =  conv(local) + conv(global)
    global'  =  conv(local) + spectral(global)
    spectral(x)  =  expand(y + unit(y))                        y = relu(norm(reduce(x))), half the channels
    unit(y)      =  irfft2(relu(norm(conv_1x1(rfft2(y)))))      real and imaginary parts as channels

The image is halved three times, goes through residual blocks of two such convolutions each, and is doubled again.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..interface import Interface

MOST_CHANNELS = 1024
"""However often the width doubles."""


class FourierUnit(nn.Module):
    """A 1x1 convolution, batch norm and ReLU of a spectrum; each channel's real part is followed by its imaginary one.

    Args:
        channels: of the features [N,C,H,W] it takes and gives.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, features: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(features, norm="ortho")
        count, channels, rows, bins = spectrum.shape
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 2, 3).reshape(count, 2 * channels, rows, bins)
        parts = F.relu(self.norm(self.conv(parts)))
        parts = parts.reshape(count, channels, 2, rows, bins)
        filtered = torch.complex(parts[:, :, 0], parts[:, :, 1])
        result: Tensor = torch.fft.irfft2(filtered, s=features.shape[2:], norm="ortho")
        return result


class SpectralTransform(nn.Module):
    """The global part's way to itself: reduce, add what the spectrum says, expand."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels // 2)
        self.unit = FourierUnit(out_channels // 2)
        self.expand = nn.Conv2d(out_channels // 2, out_channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        reduced = F.relu(self.norm(self.reduce(features)))
        result: Tensor = self.expand(reduced + self.unit(reduced))
        return result


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution of an image that is reflected at its sides."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, padding_mode="reflect", bias=False)


class FourierConv(nn.Module):
    """Fast Fourier convolution with batch norm and ReLU.

    Args:
        local, wide: channels of the local and of the global part, before and after.
    """

    def __init__(self, local: int, wide: int):
        super().__init__()
        self.local_to_local, self.local_to_global = _conv(local, local), _conv(local, wide)
        self.global_to_local, self.global_to_global = _conv(wide, local), SpectralTransform(wide, wide)
        self.local_norm, self.global_norm = nn.BatchNorm2d(local), nn.BatchNorm2d(wide)

    def forward(self, local: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        new_local = self.local_to_local(local) + self.global_to_local(wide)
        new_wide = self.local_to_global(local) + self.global_to_global(wide)
        return F.relu(self.local_norm(new_local)), F.relu(self.global_norm(new_wide))


class ResidualBlock(nn.Module):
    """Two Fourier convolutions, added to what they are given."""

    def __init__(self, local: int, wide: int):
        super().__init__()
        self.first, self.second = FourierConv(local, wide), FourierConv(local, wide)

    def forward(self, local: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        new_local, new_wide = self.second(*self.first(local, wide))
        return local + new_local, wide + new_wide


class LaMa(nn.Module):
    """The generator of LaMa.

    Args:
        width: channels of the first layer; they double with each halving of the size.
        levels: how often the size is halved.
        blocks: residual blocks; 18 in Big-LaMa, 9 in the smaller ones.
        global_channels: of the channels between, how many are global; 3 of 4 by default.

    Raises:
        ValueError: if no channel would be local or global.
    """

    def __init__(self, width: int = 64, levels: int = 3, blocks: int = 18, global_channels: int | None = None):
        super().__init__()
        widths = [min(MOST_CHANNELS, width * 2**level) for level in range(levels + 1)]
        wide = widths[-1] * 3 // 4 if global_channels is None else global_channels
        local = widths[-1] - wide
        if not 0 < wide < widths[-1]:
            raise ValueError(f"{wide} of {widths[-1]} channels are global; expected some of each kind")
        self.arguments: dict[str, Any] = {
            "width": width, "levels": levels, "blocks": blocks, "global_channels": wide,
        }  # fmt: skip
        self.size_multiple = 2**levels
        self.first = nn.Conv2d(4, width, 7, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.down = nn.ModuleList(_conv(widths[i], widths[i + 1], 2) for i in range(levels - 1))
        self.down_norms = nn.ModuleList(nn.BatchNorm2d(widths[i + 1]) for i in range(levels - 1))
        self.to_local, self.to_global = _conv(widths[-2], local, 2), _conv(widths[-2], wide, 2)
        self.local_norm, self.global_norm = nn.BatchNorm2d(local), nn.BatchNorm2d(wide)
        self.blocks = nn.ModuleList(ResidualBlock(local, wide) for _ in range(blocks))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(widths[i], widths[i - 1], 3, 2, padding=1, output_padding=1)
            for i in range(levels, 0, -1)
        )
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(widths[i - 1]) for i in range(levels, 0, -1))
        self.last = nn.Conv2d(width, 3, 7)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill the holes of an image.

        Args:
            image: [N,3,H,W] in 0..1; H and W multiples of `size_multiple`. What it holds in holes does not count.
            mask: [N,1,H,W], 1 = hole.

        Returns:
            [N,3,H,W] in 0..1, known pixels predicted as well.
        """
        features = torch.cat([image * (1 - mask), mask], dim=1)
        features = F.relu(self.first_norm(self.first(F.pad(features, (3, 3, 3, 3), mode="reflect"))))
        for conv, norm in zip(self.down, self.down_norms, strict=True):
            features = F.relu(norm(conv(features)))
        local = F.relu(self.local_norm(self.to_local(features)))
        wide = F.relu(self.global_norm(self.to_global(features)))
        for block in self.blocks:
            local, wide = block(local, wide)
        features = torch.cat([local, wide], dim=1)
        for conv, norm in zip(self.up, self.up_norms, strict=True):
            features = F.relu(norm(conv(features)))
        return torch.sigmoid(self.last(F.pad(features, (3, 3, 3, 3), mode="reflect")))

    def interface(self) -> Interface:
        """How it is called: images in 0..1, which it masks itself."""
        return Interface(mask_polarity="hole", premask=False, size_multiple=self.size_multiple)

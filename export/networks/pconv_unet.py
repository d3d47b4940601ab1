"""PConvUNet: the U-Net of partial convolutions.

Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018), section 3.2 and the
appendix's table of layers. The encoder halves the size `depth` times, the decoder doubles it by nearest
upsampling and joins features and masks with the skip of the same size; the last layer sees the original image
and mask.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ..interface import Interface
from .partial_conv import PartialConv2d

WIDTHS = (64, 128, 256, 512, 512, 512, 512, 512)


def default_kernels(depth: int) -> tuple[int, ...]:
    """Encoder kernel sizes of the paper, cut to `depth` layers: 7 5 5 3 3 3 ..."""
    return (7, 5, 5, *[3] * max(depth - 3, 0))[:depth]


class PartialConvBlock(nn.Module):
    """Partial convolution, batch norm, activation; the mask goes around the last two."""

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        kernel_size: int,
        stride: int,
        batch_norm: bool,
        bias: bool,
        activation: nn.Module,
    ):
        super().__init__()
        self.conv = PartialConv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels) if batch_norm else nn.Identity()
        self.activation = activation

    def forward(self, features: Tensor | Sequence[Tensor], masks: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        output, updated = self.conv(features, masks)
        return self.activation(self.norm(output)), updated


def _enlarge(value: Tensor, factor: int) -> Tensor:
    return F.interpolate(value, scale_factor=float(factor), mode="nearest")


def _check_layers(widths: Sequence[int], kernels: Sequence[int], strides: Sequence[int]) -> None:
    if not widths or len(kernels) != len(widths) or len(strides) != len(widths):
        raise ValueError(
            f"{len(widths)} widths need as many kernels and strides, got {len(kernels)} and {len(strides)}"
        )
    for name, values, expected, allowed in (
        ("widths", widths, "above 0", lambda value: value > 0),
        ("kernels", kernels, "odd and above 0", lambda value: value > 0 and value % 2),
        ("strides", strides, "1 or 2", lambda value: value in (1, 2)),
    ):
        if not all(isinstance(value, int) and allowed(value) for value in values):
            raise ValueError(f"{name} are {list(values)}; expected whole numbers, each {expected}")


class PConvUNet(nn.Module):
    """U-Net of partial convolutions.

    Only the last layer has a bias: batch norm shifts the others, and the first has none so that published
    checkpoints fit.

    Args:
        in_channels: channels of the image, which the network also returns.
        widths: output channels of each encoder layer; their number is the depth.
        kernels: encoder kernel sizes, the paper's by default.
        strides: of each encoder layer, 1 or 2; all 2 in the paper. With a first layer of stride 1 the network has
            features at the image's own size, which fine holes are filled from.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = WIDTHS,
        kernels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ):
        super().__init__()
        kernels = default_kernels(len(widths)) if kernels is None else tuple(kernels)
        strides = (2,) * len(widths) if strides is None else tuple(strides)
        _check_layers(widths, kernels, strides)
        self.arguments: dict[str, Any] = {
            "in_channels": in_channels,
            "widths": list(widths),
            "kernels": list(kernels),
            "strides": list(strides),
        }
        self.strides = strides
        self.size_multiple = math.prod(strides)
        channels = [in_channels, *widths]
        self.encoder = nn.ModuleList(
            PartialConvBlock(
                channels[i], channels[i + 1], kernels[i], strides[i],
                batch_norm=i > 0, bias=False, activation=nn.ReLU(),
            )
            for i in range(len(widths))
        )  # fmt: skip
        self.decoder = nn.ModuleList(
            PartialConvBlock(
                (channels[i + 1], channels[i]), channels[i], kernel_size=3, stride=1,
                batch_norm=i > 0, bias=i == 0, activation=nn.LeakyReLU(0.2) if i > 0 else nn.Identity(),
            )
            for i in reversed(range(len(widths)))
        )  # fmt: skip

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fill the holes of an image.

        Args:
            image: [N,C,H,W] in the range it was trained with; H and W multiples of `size_multiple`.
            mask: [N,1,H,W] or [N,C,H,W], 1 = known, 0 = hole.

        Returns:
            The image [N,C,H,W], known pixels predicted as well, and the updated mask [N,1,H,W].
        """
        features, masks = [image], [mask]
        for block in self.encoder:
            output, updated = block(features[-1], masks[-1])
            features.append(output)
            masks.append(updated)
        output, updated = features.pop(), masks.pop()
        for block, stride in zip(self.decoder, reversed(self.strides), strict=True):
            if stride > 1:
                output, updated = _enlarge(output, stride), _enlarge(updated, stride)
            output, updated = block([output, features.pop()], [updated, masks.pop()])
        return output, updated

    def interface(self, **pixel_range: Any) -> Interface:
        """The network's `Interface`; `pixel_range` is `image_range`, or `mean` and `std`, as it was trained."""
        return Interface(premask=False, size_multiple=self.size_multiple, **pixel_range)

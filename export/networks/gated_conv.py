"""Gated convolution: features and a gate for each of their values, learned together.

Yu et al., "Free-Form Image Inpainting with Gated Convolution" (ICCV 2019), section 3.1::

    y = phi(conv_features(x)) * sigmoid(conv_gate(x))

Two forms are in use: one convolution with twice the channels, which is split (the authors' own), and two convolutions
with a batch norm after the product. `graph/combine_parallel_convs.py` makes one of two at export.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Padding = Literal["zeros", "same", "reflect"]
"""How an input is extended: zeros on all sides alike, zeros as TensorFlow's SAME does (with a stride, the bottom and
right get more), or by reflection on all sides alike."""

Activation = Literal["elu", "relu", "leaky_relu", "none"]

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "relu": F.relu,
    "leaky_relu": lambda features: F.leaky_relu(features, 0.2),
    "none": lambda features: features,
}


class GatedConv2d(nn.Module):
    """Gated convolution that keeps the size, or divides it by `stride`.

    Args:
        in_channels, out_channels: channels before and after.
        kernel_size: height and width of the window, odd.
        stride: 1 or 2; the input's size must be a multiple of it.
        dilation: distance of the window's taps.
        activation: phi.
        padding: see `Padding`.
        gated: False for a plain convolution with `activation`, as the layers that make the image have.
        separate: two convolutions instead of one that is split.
        batch_norm: a batch norm after the product.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Activation = "elu",
        padding: Padding = "zeros",
        gated: bool = True,
        separate: bool = False,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.gated = gated
        reach = dilation * (kernel_size - 1)
        inside = padding == "zeros" or (padding == "same" and stride == 1)
        self.outside = None if inside else _outside(reach, stride, padding)

        def convolution(channels: int) -> nn.Conv2d:
            return nn.Conv2d(in_channels, channels, kernel_size, stride, reach // 2 if inside else 0, dilation)

        self.conv = convolution(2 * out_channels if gated and not separate else out_channels)
        self.gate = convolution(out_channels) if gated and separate else None
        self.norm = nn.BatchNorm2d(out_channels) if batch_norm else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """[N,in_channels,H,W] to [N,out_channels,H/stride,W/stride]."""
        if self.outside is not None:
            mode, sides = self.outside
            features = F.pad(features, sides, mode=mode)
        result = self.conv(features)
        if not self.gated:
            return self.norm(self.activation(result))  # type: ignore[no-any-return]
        result, gate = (result, self.gate(features)) if self.gate is not None else torch.chunk(result, 2, dim=1)
        return self.norm(self.activation(result) * torch.sigmoid(gate))  # type: ignore[no-any-return]


def _outside(reach: int, stride: int, padding: Padding) -> tuple[str, list[int]]:
    """Mode and left, right, top, bottom of a padding that `Conv2d` itself cannot do."""
    if padding == "reflect":
        return "reflect", [reach // 2] * 4
    total = max(reach + 1 - stride, 0)  # SAME for a size that is a multiple of the stride
    return "constant", [total // 2, total - total // 2] * 2


class GatedDeconv2d(nn.Module):
    """Nearest x2, then a gated convolution with a window of 3; further arguments are those of `GatedConv2d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        activation: Activation = "elu",
        padding: Padding = "zeros",
        separate: bool = False,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.conv = GatedConv2d(
            in_channels, out_channels, activation=activation, padding=padding, separate=separate, batch_norm=batch_norm
        )

    def forward(self, features: Tensor) -> Tensor:
        """[N,in_channels,H,W] to [N,out_channels,2H,2W]."""
        return self.conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]

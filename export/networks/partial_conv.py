"""Partial convolution: masked, renormalised convolution with mask update.

Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018), section 3.1,
equations 1 and 2. With ``s`` the number of known values under the window and ``w`` the size of the window::

    r  = w / max(s, 1) * clamp(s, 0, 1)          M' = clamp(s, 0, 1)
    y  = conv(x * M) * r + b * M'

``s`` is an integer, so neither an epsilon nor a comparison is needed and nothing is ever infinite.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PartialConv2d(nn.Module):
    """Partial convolution over one feature tensor, or over several that are concatenated.

    A U-Net decoder convolves features from two sources, each with a mask of its own. Given as parts, every part
    needs only one mask plane: the plane stands for all channels of its part, which is what a channel-wide mask
    holds too, without the multiply-adds.

    Args:
        in_channels: channels of the input, or one number for each part.
        out_channels: channels of the output.
        kernel_size: height and width of the window.
        stride, padding, dilation: as in `torch.nn.Conv2d`.
        bias: whether a bias is added where the updated mask is 1.
    """

    window: Tensor

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.in_channels = (in_channels,) if isinstance(in_channels, int) else tuple(in_channels)
        self.conv = nn.Conv2d(sum(self.in_channels), out_channels, kernel_size, stride, padding, dilation, bias=bias)
        self.register_buffer("window", torch.ones(1, 1, kernel_size, kernel_size), persistent=False)
        self.window_size = kernel_size * kernel_size * sum(self.in_channels)

    def forward(self, features: Tensor | Sequence[Tensor], masks: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Convolve what is known and update the mask.

        Args:
            features: [N,C,H,W], or a sequence of parts [N,C_g,H,W].
            masks: 1 = known, 0 = hole; for each part [N,1,H,W] (one plane for all channels) or [N,C_g,H,W].

        Returns:
            The output [N,out_channels,H',W'], zero where the window holds nothing known, and the updated mask
            [N,1,H',W'].

        Raises:
            ValueError: if parts, masks and `in_channels` do not fit each other.
        """
        parts = [features] if isinstance(features, Tensor) else list(features)
        planes = [masks] if isinstance(masks, Tensor) else list(masks)
        self._check(parts, planes)
        masked = [part * plane.to(part.dtype) for part, plane in zip(parts, planes, strict=True)]
        convolved = F.conv2d(
            torch.cat(masked, dim=1) if len(masked) > 1 else masked[0],
            self.conv.weight, None, self.conv.stride, self.conv.padding, self.conv.dilation,
        )  # fmt: skip
        known = self._count_known(planes)
        updated = known.clamp(0, 1)
        ratio = updated * self.window_size / known.clamp(min=1)
        output = convolved * ratio.to(convolved.dtype)
        if self.conv.bias is not None:
            output = output + self.conv.bias[:, None, None] * updated.to(convolved.dtype)
        return output, updated

    def _count_known(self, planes: list[Tensor]) -> Tensor:
        """The mask sum ``s`` [N,1,H',W'] over window and channels, an integer held in a float."""
        counts = [
            plane.sum(dim=1, keepdim=True) if plane.shape[1] > 1 else plane * channels
            for plane, channels in zip(planes, self.in_channels, strict=True)
        ]
        count = sum(counts[1:], start=counts[0]).to(self.window.dtype)
        if torch.is_autocast_enabled(count.device.type):
            # bfloat16 holds no odd integer above 256: autocast would miscount large windows.
            with torch.autocast(count.device.type, enabled=False):
                return self._window_sum(count.float())
        return self._window_sum(count)

    def _window_sum(self, count: Tensor) -> Tensor:
        return F.conv2d(count, self.window, None, self.conv.stride, self.conv.padding, self.conv.dilation)

    def _check(self, parts: list[Tensor], planes: list[Tensor]) -> None:
        if len(parts) != len(self.in_channels) or len(planes) != len(parts):
            raise ValueError(
                f"partial convolution over {len(self.in_channels)} part(s) was given "
                f"{len(parts)} feature part(s) and {len(planes)} mask(s)"
            )
        for part, plane, channels in zip(parts, planes, self.in_channels, strict=True):
            if part.shape[1] != channels or plane.shape[1] not in (1, channels):
                raise ValueError(
                    f"expected {channels} feature channels with 1 or {channels} mask channels, "
                    f"got {part.shape[1]} and {plane.shape[1]}"
                )

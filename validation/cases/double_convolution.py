"""Convolution in FP64 on a CPU, one matrix product for each tap of the kernel.

PyTorch copies every window into a matrix of its own, which for 64 channels and 3x3 taps at 1024x1024 is 4.8 GB. Here a
tap reads the padded image, row after row, from another place on:

    y[o, p] = b[o] + sum_t sum_c w[o, c, t] * x[c, stride * p + dilation * t]

With stride s, positions that are s apart must lie next to each other, so the image is split into s * s images first.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


def is_plain(image: Tensor, weight: Tensor, *rest: Any) -> bool:
    """Whether the arguments of `aten.convolution` are those of a convolution of images in FP64, not transposed."""
    transposed = rest[4]
    return not transposed and image.dim() == 4 and image.dtype == weight.dtype == torch.float64


def convolve(
    image: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], groups: int,
) -> Tensor:  # fmt: skip
    """As `torch.nn.functional.conv2d` with these arguments: image [N,C,H,W], weight [O,C/groups,h,w]."""
    (down, across), taps = stride, weight.shape[2:]
    rows, columns = (
        (side + 2 * border - reach * (count - 1) - 1) // step + 1
        for side, border, reach, count, step in zip(image.shape[2:], padding, dilation, taps, stride, strict=True)
    )
    # Each row of the split images is as long as the furthest tap of the last column needs it.
    width = columns + dilation[1] * (taps[1] - 1) // across
    height = rows + dilation[0] * (taps[0] - 1) // down
    right = max(across * width - image.shape[3] - padding[1], 0)
    below = max(down * height - image.shape[2] - padding[0], 0)
    padded = pad(image, (padding[1], right, padding[0], below))[..., : down * height, : across * width]
    split = {
        (top, left): padded[:, :, top::down, left::across].reshape(len(image) * groups, -1, height * width)
        for top in range(down)
        for left in range(across)
    }
    kernels = weight.view(groups, -1, *weight.shape[1:])
    result = image.new_zeros(len(image) * groups, kernels.shape[1], rows * width)
    length = (rows - 1) * width + columns  # what lies between the rows' ends is not kept
    for tap_row in range(taps[0]):
        for tap_column in range(taps[1]):
            top, left = tap_row * dilation[0], tap_column * dilation[1]
            start = top // down * width + left // across
            seen = split[top % down, left % across][..., start : start + length]
            for number in range(len(seen)):
                sums = result[number, :, :length]
                torch.addmm(sums, kernels[number % groups, ..., tap_row, tap_column], seen[number], out=sums)
    result = result.view(len(image), -1, rows, width)[..., :columns]
    return result.contiguous() if bias is None else result + bias.view(1, -1, 1, 1)

r"""Contextual attention: every place of a feature map becomes a mixture of known patches that look like it.

Yu et al., "Generative Image Inpainting with Contextual Attention" (CVPR 2018), section 4. With f the features at half
size, P_p the 3x3 patch of f around place p, and Q_p the 4x4 patch of the features at full size around the same place::

    s[q, p] = <P_q, P_p> / max(|P_p|, 1e-4)                    how much the patch at q looks like the one at p
    s       = fuse(fuse(s along rows) along columns)           fuse: t[q, p] = s[q-1, p-1] + s[q, p] + s[q+1, p+1]
    a[q, p] = softmax over p of 10 s[q, p]                     of patches p that hold no hole
    output  = sum over the places q whose patch reaches here of (sum_p a[q, p] Q_p) / how many such q there are

`q + 1` is the next place in reading order, so the last place of a row is followed by the first of the next; along
columns, likewise from top to bottom.

Implementations convolve f with the patches as weights, paste with a transposed convolution, and permute the scores
between the two fusions. Weights that are computed at run time are not what inference engines are good at, and patches
that overlap are multiplied again and again. Here the products are matrix products, of rows of three places for the
scores (`patch_scores.py`), and of blocks of 2x2 for pasting: a patch Q_p is four of them, B_p, B_p+x, B_p+y and
B_p+x+y, so that where four pasted patches overlap::

    4x4 patches of weights a  =  2x2 blocks of weights b          b[q, p] = sum of a[q-e, p-e] over e in {0, x, y, x+y}

What is left are sums along diagonals of the scores and of the weights. Every image of a batch has a mask of its own.

Memory and cost grow with the square of the number of places, which is H*W/64 for an image of H x W: at 512x512 the
scores are 64 MiB for each image, at 1024x1024 1 GiB. Of images larger than 512x512 the layer holds a part at once, in
each of several copies, as it works on an eighth of the places q at a time. Up to 512x512 one part is as fast, takes no
more memory, and a GPU moves less for it (`docs/kernel-plan.md`).
"""

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .patch_scores import PatchScores

Resize = Literal["nearest", "corners"]
"""Which values are kept where a size is divided: every n-th from the first on, or the nearest to places that are spread
evenly from the first to the last (TensorFlow's align_corners)."""

Invalid = Literal["zero", "excluded"]
"""What patches with a hole do: take part in the softmax with score 0 and count as 0 after it, or take no part."""

FEW_PLACES = 4096
"""Those of an image of 512x512, whose scores are not too much at once."""

MANY_PARTS = 8

PIXELS = 8
"""Pixels along a side of the image for each place: features are a quarter of its size, and places half of that."""

EXCLUDED = -1e30
"""Score of an excluded patch: finite, so that an image without a single valid patch gets their mean and no NaN."""


class ContextualAttention(nn.Module):
    """Contextual attention over one feature map; it has no weights.

    Args:
        fuse: whether scores of neighbours are joined.
        resize: see `Resize`.
        invalid: see `Invalid`.
        count_overlap: whether the four sides of the image, where fewer pasted patches overlap, are divided by their
            number, or like the rest by 4.
        softmax_scale: factor on scores.
        parts: how many groups the places q are treated in, one after the other, which bounds the memory; None for 1,
            and for 8 where there are more places than `FEW_PLACES`. In a trace for sizes that are not fixed,
            `parts_for_sizes` says which.
    """

    def __init__(
        self,
        fuse: bool = True,
        resize: Resize = "nearest",
        invalid: Invalid = "zero",
        count_overlap: bool = False,
        softmax_scale: float = 10.0,
        parts: int | None = None,
    ):
        super().__init__()
        self.fuse = fuse
        self.resize = resize
        self.invalid = invalid
        self.count_overlap = count_overlap
        self.softmax_scale = softmax_scale
        self.parts = parts

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Fill features from valid patches.

        Args:
            features: [N,C,H,W], H and W even.
            mask: [N,1,kH,kW], 1 = hole.

        Returns:
            [N,C,H,W].
        """
        count, channels = features.shape[:2]
        half = self._shrink(features, 2)
        rows, columns = half.shape[2:]
        valid = self._valid(self._shrink(mask, mask.shape[2] // rows))
        scores = PatchScores(half, self.softmax_scale, self.fuse)
        values = split_into_blocks(features)
        parts = min(self._parts(rows, columns), rows)
        pasted = []
        for part in range(parts):
            first, last = scores.limits(part, parts)
            size = last - first
            weights = self._weights(scores.part(part, parts), valid).reshape(count, size, columns, rows, columns)
            # Sizes are given and not inferred, which takes PyTorch's trace very long where they are not fixed.
            weights = weights_of_blocks(weights).reshape(count, (size + 1) * (columns + 1), (rows + 1) * (columns + 2))
            pasted.append(torch.matmul(weights, values).reshape(count, size + 1, columns + 1, 4 * channels))
        joined = join_parts(pasted).reshape(count, rows + 1, columns + 1, 2, 2, channels)
        result = joined.permute(0, 5, 1, 3, 2, 4).reshape(count, channels, 2 * rows + 2, 2 * columns + 2)
        result = result[:, :, 1:-1, 1:-1]
        if not self.count_overlap:
            return result / 4
        return result / (_overlap(2 * rows, result)[:, None] * _overlap(2 * columns, result))

    def _parts(self, rows: int, columns: int) -> int:
        if self.parts is not None:
            return self.parts
        # In a trace for sizes that are not fixed, they are no integers, and more parts would ask for more rows.
        fixed = isinstance(rows, int) and isinstance(columns, int)
        return parts_for_places(rows * columns) if fixed else MANY_PARTS

    def _shrink(self, value: Tensor, factor: int) -> Tensor:
        if self.resize == "nearest":
            return value[:, :, ::factor, ::factor]
        for axis in (2, 3):
            value = value.index_select(axis, spread_evenly(value.shape[axis] // factor, factor))
        return value

    def _valid(self, hole: Tensor) -> Tensor:
        """1 for patches without a hole, else 0: [N,1,rows*columns]."""
        touched = F.max_pool2d(hole, 3, stride=1, padding=1)
        return 1 - touched.clamp(0, 1).flatten(2)

    def _weights(self, scores: Tensor, valid: Tensor) -> Tensor:
        if self.invalid == "excluded":
            return torch.softmax(torch.where(valid > 0, scores, EXCLUDED), dim=2)
        return torch.softmax(scores * valid, dim=2) * valid


def parts_for_places(places: int) -> int:
    """How many parts bound the memory of so many places."""
    return MANY_PARTS if places > FEW_PLACES else 1


@contextlib.contextmanager
def parts_for_sizes(network: nn.Module, height: tuple[int, int], width: tuple[int, int]) -> Iterator[None]:
    """Within, every attention of a network that is left to choose takes as many parts as the largest image needs.

    Args:
        network: whose attentions see features of a quarter of the image's size.
        height, width: smallest and largest of an image.
    """
    places = (height[1] // PIXELS) * (width[1] // PIXELS)
    free = [module for module in network.modules() if isinstance(module, ContextualAttention) and module.parts is None]
    for module in free:
        module.parts = min(parts_for_places(places), height[0] // PIXELS)
    try:
        yield
    finally:
        for module in free:
            module.parts = None


def _overlap(size: int, like: Tensor) -> Tensor:
    """How many 4-wide patches with a stride of 2 reach each place of a side: 1 2 2 ... 2 1."""
    return F.pad(torch.ones(size - 2, dtype=like.dtype, device=like.device), (1, 1)) + 1


def split_into_blocks(features: Tensor) -> Tensor:
    """Blocks of 2x2, the first beginning a place outside the image, zero there: [N,C,2h,2w] to [N,(h+1)*(w+2),4C].

    A column of zeros more than patches reach makes their number even where h and w are: TensorRT for RTX copies both
    operands of a product over an odd number. Those at (y, x), (y, x+1), (y+1, x) and (y+1, x+1) make the 4x4 patch of
    the place (y, x) of half the size.
    """
    count, channels, height, width = features.shape
    rows, columns = height // 2, width // 2
    padded = F.pad(features, (1, 3, 1, 1)).reshape(count, channels, rows + 1, 2, columns + 2, 2)
    return padded.permute(0, 2, 4, 3, 5, 1).reshape(count, (rows + 1) * (columns + 2), 4 * channels)


def weights_of_blocks(weights: Tensor) -> Tensor:
    """From weights of 4x4 patches [N,rows,w,h,w] to those of blocks of 2x2, [N,rows+1,w+1,h+1,w+2]; the last are 0."""
    weights = F.pad(weights, (0, 2, 0, 0, 0, 1)) + F.pad(weights, (1, 1, 0, 0, 1, 0))
    return F.pad(weights, (0, 0, 0, 1, 0, 0, 0, 1)) + F.pad(weights, (0, 0, 1, 0, 0, 0, 1, 0))


def join_parts(parts: list[Tensor]) -> Tensor:
    """Blocks of groups of rows [N,rows+1,w+1,4C] as one: the last row of each is part of the first of the next."""
    groups = [parts[0]]
    for part in parts[1:]:
        groups[-1:] = [groups[-1][:, :-1], groups[-1][:, -1:] + part[:, :1], part[:, 1:]]
    return torch.cat(groups, dim=1)


def spread_evenly(count: int, factor: int) -> Tensor:
    """Indices of `count` of `factor * count` places, from the first to the last, each rounded to the nearest.

    Computed in float32 and from both ends, as `torch.linspace` does, since a place in the middle may lie at a half.
    """
    index = torch.arange(count)
    if count == 1:
        return index
    last = factor * count - 1
    step = torch.full((), 1.0) * last / (count - 1)
    place = torch.where(index < count // 2, step * index, last - step * (count - 1 - index))
    return (place + 0.5).floor().to(torch.int64)

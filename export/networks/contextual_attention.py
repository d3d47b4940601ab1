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
between the two fusions. Weights that are computed at run time are not what inference engines are good at, and so here
the two products are matrix products of unfolded patches, the pasting is a sum of four shifted slices, and the second
fusion reads rows with their neighbours, among them copies of the last and first row that stand for the turn from one
column to the next. Every picture of a batch has a mask of its own.

The patches q are divided by their norms before the product as well, and the scores multiplied by them after it: so the
product is of vectors no longer than 1, which FP16 holds whatever the features are, and what follows is FP32.

Memory and cost grow with the square of the number of places, which is H*W/64 for a picture of H x W: at 512x512 the
scores are 64 MiB for each picture, at 1024x1024 1 GiB. Of these the layer holds about a quarter at once, in each of
several copies, as it works on a quarter of the places q at a time.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Resize = Literal["nearest", "corners"]
"""Which values are kept where a size is divided: every n-th from the first on, or the nearest to places that are spread
evenly from the first to the last (TensorFlow's align_corners)."""

Invalid = Literal["zero", "excluded"]
"""What patches with a hole do: take part in the softmax with score 0 and count as 0 after it, or take no part."""

SMALLEST_NORM = 1e-4

EXCLUDED = -1e30
"""Score of an excluded patch: finite, so that a picture without a single valid patch gets their mean and no NaN."""


class ContextualAttention(nn.Module):
    """Contextual attention over one feature map; it has no weights.

    Args:
        fuse: whether scores of neighbours are joined.
        resize: see `Resize`.
        invalid: see `Invalid`.
        count_overlap: whether the four sides of the picture, where fewer pasted patches overlap, are divided by their
            number, or like the rest by 4.
        softmax_scale: factor on scores.
        blocks: in how many parts the places q are treated, one after the other, which bounds the memory.
    """

    def __init__(
        self,
        fuse: bool = True,
        resize: Resize = "nearest",
        invalid: Invalid = "zero",
        count_overlap: bool = False,
        softmax_scale: float = 10.0,
        blocks: int = 4,
    ):
        super().__init__()
        self.fuse = fuse
        self.resize = resize
        self.invalid = invalid
        self.count_overlap = count_overlap
        self.softmax_scale = softmax_scale
        self.blocks = blocks

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
        patches = unfold3(half)
        norms = patches.square().sum(3, keepdim=True).sqrt().clamp_min(SMALLEST_NORM)
        patches = patches / norms
        keys = patches.reshape(count, rows * columns, 9 * channels)
        if self.fuse:
            patches, norms, keys = _with_neighbours(patches), _with_neighbours(norms), F.pad(keys, (0, 0, 1, 1))
        keys = keys.transpose(1, 2)
        values = unfold4(features).reshape(count, rows * columns, 16 * channels)
        pasted = []
        blocks = min(self.blocks, rows)
        for block in range(blocks):
            last = None if block == blocks - 1 else (block + 1) * (rows // blocks)
            scores = self._scores(patches, norms, keys, block * (rows // blocks), last)
            pasted.append(torch.matmul(self._weights(scores, valid), values))
        return self._paste(torch.cat(pasted, dim=1).reshape(count, rows, columns, 16 * channels))

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

    def _scores(self, patches: Tensor, norms: Tensor, keys: Tensor, first: int, last: int | None) -> Tensor:
        """Scores of the places in rows `first` to `last` (None for the end): [N,places,all places]."""
        # Row y of what has neighbours is row y - 1 of the picture: so these begin before the block and end after it.
        rows = slice(first, last + 2 if self.fuse and last is not None else last)
        matched = torch.matmul(patches[:, rows].flatten(1, 2), keys) * norms[:, rows].flatten(1, 2)
        if not self.fuse:
            return matched
        matched = matched.reshape(*patches[:, rows].shape[:3], -1)
        fused = matched[:, :, :-2, :-2] + matched[:, :, 1:-1, 1:-1] + matched[:, :, 2:, 2:]
        # The copy of the last row is shifted by one place, and that of the first one back: one place has no pair.
        if first == 0:
            fused = torch.cat([F.pad(fused[:, :1, 1:], (0, 0, 1, 0)), fused[:, 1:]], dim=1)
        if last is None:
            fused = torch.cat([fused[:, :-1], F.pad(fused[:, -1:, :-1], (0, 0, 0, 1))], dim=1)
        columns = fused.shape[2]
        before, after = fused[..., -columns:-1], fused[..., 1:columns]
        fused = torch.cat([F.pad(before, (1, 0)), fused, F.pad(after, (0, 1))], dim=3)
        above, here, below = fused[:, :-2], fused[:, 1:-1], fused[:, 2:]
        fused = above[..., : -2 * columns] + here[..., columns:-columns] + below[..., 2 * columns :]
        return fused.flatten(1, 2)

    def _weights(self, scores: Tensor, valid: Tensor) -> Tensor:
        if self.invalid == "excluded":
            return torch.softmax(torch.where(valid > 0, scores * self.softmax_scale, EXCLUDED), dim=2)
        return torch.softmax(scores * (valid * self.softmax_scale), dim=2) * valid

    def _paste(self, pasted: Tensor) -> Tensor:
        """Overlapping sum of 4x4 patches [N,h,w,16C], in the order of `unfold4`: [N,C,2h,2w]."""
        count, rows, columns, size = pasted.shape
        upper, lower = pasted.chunk(2, dim=3)
        pasted = F.pad(upper, (0, 0, 0, 0, 0, 1)) + F.pad(lower, (0, 0, 0, 0, 1, 0))
        left, right = pasted.chunk(2, dim=3)
        pasted = F.pad(left, (0, 0, 0, 1)) + F.pad(right, (0, 0, 1, 0))
        blocks = pasted.reshape(count, rows + 1, columns + 1, 2, 2, size // 16).permute(0, 5, 1, 3, 2, 4)
        result = blocks.reshape(count, size // 16, 2 * rows + 2, 2 * columns + 2)[:, :, 1:-1, 1:-1]
        if not self.count_overlap:
            return result / 4
        return result / (_overlap(2 * rows, result)[:, None] * _overlap(2 * columns, result))


def _overlap(size: int, like: Tensor) -> Tensor:
    """How many 4-wide patches with a stride of 2 reach each place of a side: 1 2 2 ... 2 1."""
    return F.pad(torch.ones(size - 2, dtype=like.dtype, device=like.device), (1, 1)) + 1


def unfold3(features: Tensor) -> Tensor:
    """3x3 patches around every place, zero outside: [N,C,H,W] to [N,H,W,9C]."""
    rows, columns = features.shape[2:]
    padded = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return torch.cat(shifted, dim=3)


def unfold4(features: Tensor) -> Tensor:
    """4x4 patches around every second place, zero outside: [N,C,2h,2w] to [N,h,w,16C].

    A patch is four blocks of 2x2, and neighbours share them; the blocks come one after the other.
    """
    count, channels, height, width = features.shape
    rows, columns = height // 2, width // 2
    padded = F.pad(features, (1, 1, 1, 1)).reshape(count, channels, rows + 1, 2, columns + 1, 2)
    blocks = padded.permute(0, 2, 4, 3, 5, 1).reshape(count, rows + 1, columns + 1, 4 * channels)
    return torch.cat([blocks[:, y : y + rows, x : x + columns] for y in range(2) for x in range(2)], dim=3)


def _with_neighbours(patches: Tensor) -> Tensor:
    """Rows of patches with the place before and after each, in reading order: [N,h,w,K] to [N,h+2,w+2,K].

    Before the first row comes the last one, shifted right by a place, and after the last row the first one, shifted
    left: what is above the top of a column is the bottom of the column before.
    """
    before = F.pad(patches[:, :-1, -1:], (0, 0, 0, 0, 1, 0))
    after = F.pad(patches[:, 1:, :1], (0, 0, 0, 0, 0, 1))
    above = F.pad(torch.cat([before[:, -1:], patches[:, -1:]], dim=2), (0, 0, 1, 0))
    below = F.pad(torch.cat([patches[:, :1], after[:, :1]], dim=2), (0, 0, 0, 1))
    return torch.cat([above, torch.cat([before, patches, after], dim=2), below], dim=1)


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

"""How much the patch around each place of a feature map looks like each other, from products of rows of three places.

A product of 3x3 patches is the sum of the products of their three rows, and neighbours share rows: with R_p the three
places p-1, p, p+1 of one row, w the places in a row, and [q, p] the matrix of all places with all places::

    <P_q, P_p>  =  d[q-w, p-w] + d[q, p] + d[q+w, p+w]          d[q, p] = <R_q, R_p>

So the matrix product is over a third of the values, and what it saves is worth more than the sum along the diagonal
costs. The joining of neighbours (`fuse` in `contextual_attention.py`) is a sum of the same kind, with a step of one
place, and then of one row.

The features are divided by the norm of the largest place before the product, and the scores multiplied by its square
after it: so the product is at most 3, which FP16 holds whatever the features are, and what follows is FP32.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST_NORM = 1e-4


class PatchScores:
    """scale * <P_q, P_p> / max(|P_p|, 1e-4) of 3x3 patches, zero outside, for a part of the places q at a time.

    Args:
        features: [N,C,h,w].
        scale: factor on scores.
        fuse: whether scores of neighbours are joined, along rows and then along columns.
    """

    def __init__(self, features: Tensor, scale: float, fuse: bool):
        count, _, self.rows, self.columns = features.shape
        self.fuse = fuse
        squares = features.square().sum(1, keepdim=True)
        # It cancels, so training need not know of it; and a root has no slope at 0, where a place without features is.
        largest = squares.detach().sqrt().amax((1, 2, 3), keepdim=True).clamp_min(SMALLEST_NORM)
        norms = unfold(squares, 3, 3).sum(3).clamp_min(SMALLEST_NORM**2).sqrt().reshape(count, 1, -1)
        # Neighbours of the first and the last place, which are no places of the image, score 0 both ways.
        self.factors = F.pad(largest.square().reshape(count, 1, 1) * scale / norms, (1, 1))
        self.inside = F.pad(torch.ones_like(norms), (1, 1)).transpose(1, 2)
        self.outside = 2 * self.columns + 1
        """Places of zeros before the first and after the last: as far as a part and its neighbours reach."""
        places = unfold(features / largest, 1, 3).flatten(1, 2)
        self.places = F.pad(places, (0, 0, self.outside, self.outside))
        self.keys = self.places[:, self.columns : -self.columns].transpose(1, 2)

    def limits(self, index: int, parts: int) -> tuple[int, int]:
        """The first row of one of `parts` groups of rows, and the row after its last; the last group has the rest."""
        size = self.rows // parts
        return index * size, self.rows if index == parts - 1 else (index + 1) * size

    def part(self, index: int, parts: int) -> Tensor:
        """Scores of the places q in one of `parts` groups of rows: [N,places,h*w]."""
        is_first, is_last = index == 0, index == parts - 1
        first, last = self.limits(index, parts)
        if not self.fuse:
            return self._matched(first * self.columns, last * self.columns)[..., 1:-1]
        # One row more on both sides. Above the top of a column is the bottom of the column before, and below its
        # bottom the top of the next one: the last row shifted right by a place, and the first one shifted left.
        groups = [self._joined(first - (not is_first), last + (not is_last))]
        if is_first:
            groups.insert(0, F.pad(self._joined(self.rows - 1, self.rows)[:, :-1], (0, 0, 1, 0)))
        if is_last:
            groups.append(F.pad(self._joined(0, 1)[:, 1:], (0, 0, 0, 1)))
        joined = torch.cat(groups, dim=1)
        above, below = joined[..., -self.columns : -1], joined[..., 1 : self.columns]
        return sum_along_diagonal(torch.cat([F.pad(above, (1, 0)), joined, F.pad(below, (0, 1))], dim=2), self.columns)

    def _joined(self, first: int, last: int) -> Tensor:
        """Scores of the places in rows `first` to `last`, neighbours in reading order joined."""
        first, last = first * self.columns - 1, last * self.columns + 1
        return sum_along_diagonal(self._matched(first, last) * self.inside[:, first + 1 : last + 1], 1)

    def _matched(self, first: int, last: int) -> Tensor:
        """Scores of places `first` to `last`, with a 0 on both sides of each row of them: [N,places,1 + h*w + 1]."""
        rows = self.places[:, first + self.outside - self.columns : last + self.outside + self.columns]
        return sum_along_diagonal(torch.matmul(rows, self.keys), self.columns) * self.factors


def sum_along_diagonal(scores: Tensor, step: int) -> Tensor:
    """t[q, p] = s[q - step, p - step] + s[q, p] + s[q + step, p + step], without the first and last `step` of both."""
    return scores[:, : -2 * step, : -2 * step] + scores[:, step:-step, step:-step] + scores[:, 2 * step :, 2 * step :]


def unfold(features: Tensor, height: int, width: int) -> Tensor:
    """Patches around every place, zero outside; height and width odd: [N,C,H,W] to [N,H,W,height*width*C]."""
    rows, columns = features.shape[2:]
    margins = (0, 0, width // 2, width // 2, height // 2, height // 2)
    padded = F.pad(features.permute(0, 2, 3, 1), margins)
    shifted = [padded[:, y : y + rows, x : x + columns] for y in range(height) for x in range(width)]
    return torch.cat(shifted, dim=3)

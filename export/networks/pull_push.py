"""Pull-push: holes filled smoothly from a pyramid of averages of what is known.

Gortler et al., "The Lumigraph" (SIGGRAPH 1996), section 3.4. On the way down, every pixel of the next level is the
average of the known pixels under a window, as in a partial convolution with fixed weights; on the way up, what is
unknown takes the level below, enlarged. A few averages over the neighbours, in holes alone, take the blocks out of it.

A network that adds to such a fill has the colours for nothing, and is exact where a picture is smooth.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = (1.0, 3.0, 3.0, 1.0)
"""Weights along each axis; integers, so that sums over a mask are exact."""

ROUNDS = 2
"""How often each level is smoothed."""


class PullPush(nn.Module):
    """Smooth fill; it has no weights.

    Args:
        levels: how often the size is halved.
        channels: of the picture.
    """

    window: Tensor

    def __init__(self, levels: int, channels: int = 3):
        super().__init__()
        self.levels = levels
        self.channels = channels
        weights = torch.tensor(WINDOW)
        self.register_buffer("window", (weights[:, None] * weights)[None, None], persistent=False)

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        """Fill the holes of an image.

        Args:
            image: [N,channels,H,W], any values in holes; H and W multiples of 2 ** levels.
            known: [N,1,H,W], 1 = known, 0 = hole.

        Returns:
            [N,channels,H,W], known pixels as they are; 0 in the holes of a picture in which nothing is known.
        """
        pyramid = [(image * known, known)]
        for _ in range(self.levels):
            pyramid.append(self._pull(*pyramid[-1]))
        filled, _ = pyramid.pop()
        for colours, inside in reversed(pyramid):
            hole = 1 - inside
            filled = colours + F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False) * hole
            for _ in range(ROUNDS):
                filled = colours + F.avg_pool2d(filled, 3, 1, 1, count_include_pad=False) * hole
        return filled

    def _pull(self, colours: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        window = self.window.to(colours.dtype)
        count = F.conv2d(known, window, stride=2, padding=1)
        total = F.conv2d(colours, window.expand(self.channels, 1, -1, -1), stride=2, padding=1, groups=self.channels)
        return total / count.clamp(min=1), count.clamp(0, 1)

"""Pull-push: holes filled smoothly from a pyramid of averages of what is known.

Gortler et al., "The Lumigraph" (SIGGRAPH 1996), section 3.4. On the way down, every pixel of the next level is the
average of the known pixels under a window, as in a partial convolution with fixed weights; on the way up, what is
unknown takes the level below, enlarged. A few averages over the neighbours, in holes alone, take the blocks out of it,
and on the two largest levels a few steps towards the biharmonic equation let slopes go on into holes.

A network that adds to such a fill has the colours for nothing, and is exact where a picture is smooth.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = (1.0, 3.0, 3.0, 1.0)
"""Weights along each axis; integers, so that sums over a mask are exact."""

ROUNDS = 2
"""How often each level is smoothed."""

BIHARMONIC = (
    (0.0, 0.0, 1.0, 0.0, 0.0),
    (0.0, 2.0, -8.0, 2.0, 0.0),
    (1.0, -8.0, 20.0, -8.0, 1.0),
    (0.0, 2.0, -8.0, 2.0, 0.0),
    (0.0, 0.0, 1.0, 0.0, 0.0),
)
"""The Laplacian of the Laplacian; a smooth fill has none."""

BIHARMONIC_STEP = 1 / 36
"""Part of it that a step takes away; 1/32 is the most that converges."""

BIHARMONIC_ROUNDS = 16
BIHARMONIC_LEVELS = 2
"""Steps on each of the largest levels, and how many levels those are."""


class PullPush(nn.Module):
    """Smooth fill; it has no weights.

    Args:
        levels: how often the size is halved.
        channels: of the picture.
    """

    window: Tensor
    step: Tensor

    def __init__(self, levels: int, channels: int = 3):
        super().__init__()
        self.levels = levels
        self.channels = channels
        weights = torch.tensor(WINDOW)
        self.register_buffer("window", (weights[:, None] * weights)[None, None], persistent=False)
        step = -BIHARMONIC_STEP * torch.tensor(BIHARMONIC)
        step[2, 2] += 1
        self.register_buffer("step", step[None, None], persistent=False)

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        """Fill the holes of an image.

        Args:
            image: [N,channels,H,W], any values in holes; H and W multiples of 2 ** levels.
            known: [N,1,H,W], 1 = known, 0 = hole.

        Returns:
            [N,channels,H,W], known pixels as they are; 0 in the holes of a picture in which nothing is known.
        """
        if torch.is_autocast_enabled(image.device.type):
            # bfloat16 holds the levels of a picture to the nearest two, and what is added here is finer.
            with torch.autocast(image.device.type, enabled=False):
                return self._fill(image.float(), known.float())
        return self._fill(image, known)

    def _fill(self, image: Tensor, known: Tensor) -> Tensor:
        pyramid = [(image * known, known)]
        for _ in range(self.levels):
            pyramid.append(self._pull(*pyramid[-1]))
        filled, _ = pyramid.pop()
        for level in reversed(range(self.levels)):
            colours, inside = pyramid[level]
            hole = 1 - inside
            filled = colours + F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False) * hole
            for _ in range(ROUNDS):
                filled = colours + F.avg_pool2d(filled, 3, 1, 1, count_include_pad=False) * hole
            for _ in range(BIHARMONIC_ROUNDS if level < BIHARMONIC_LEVELS else 0):
                filled = colours + self._per_channel(F.pad(filled, (2, 2, 2, 2), mode="replicate"), self.step) * hole
        return filled

    def _pull(self, colours: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        count = F.conv2d(known, self.window.to(known.dtype), stride=2, padding=1)
        total = self._per_channel(colours, self.window, stride=2, padding=1)
        return total / count.clamp(min=1), count.clamp(0, 1)

    def _per_channel(self, colours: Tensor, kernel: Tensor, **options: int) -> Tensor:
        kernels = kernel.to(colours.dtype).expand(self.channels, 1, -1, -1)
        return F.conv2d(colours, kernels, None, groups=self.channels, **options)

"""A fill without weights: colours flow smoothly into holes, and edges go on in them.

Three steps, from coarse to fine over a pyramid:

1. Pull-push (Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4). On the way down, every pixel of the next
   level is the average of the known pixels under a window, as in a partial convolution with fixed weights; on the way
   up, what is unknown takes the level below, enlarged, and a few averages take the blocks out of it.
2. On the largest level, steps towards a thin plate under tension (Smith and Wessel, "Gridding with continuous
   curvature splines in tension", Geophysics 1990), which let slopes go on into holes.
3. On the four largest levels, diffusion along the direction of the structure tensor (Weickert, "Coherence-enhancing
   diffusion filtering", IJCV 1999), in holes alone and as strong as that direction is clear: edges go on into holes.

A network that adds to such a fill has the colours for nothing, and is exact where a picture is smooth.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = (1.0, 3.0, 3.0, 1.0)
"""Weights along each axis; integers, so that sums over a mask are exact."""

AVERAGES = 2
"""How often each level is averaged."""

PLATE = (
    (0.0, 0.0, 1.0, 0.0, 0.0),
    (0.0, 2.0, -8.25, 2.0, 0.0),
    (1.0, -8.25, 21.0, -8.25, 1.0),
    (0.0, 2.0, -8.25, 2.0, 0.0),
    (0.0, 0.0, 1.0, 0.0, 0.0),
)
"""The Laplacian of the Laplacian less a quarter of the Laplacian: 0 wherever a thin plate under tension rests.
Photographs have steeper slopes than a plate, and a little tension keeps it from swinging out."""

PLATE_LEVELS = 1
PLATE_STEPS = 16
PLATE_RATE = 7 / 128
PLATE_MOMENTUM = 13 / 16
"""About Polyak's best for eigenvalues from 66/400 to 66, the largest there is: as good as four times as many steps
without momentum. FP16 holds these numbers, and all kernels made of them, exactly: steps that moved a flat colour a
little would add up."""

SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
"""8 times the slope of a picture, so that the squares of small slopes are no FP16 subnormals."""

FLAT = 2**-13
"""Added to the sum of squared slopes: where it is less, there is no direction."""

UNKNOWN = 1 / 8
"""What a slope in a hole counts for, beside 1 for a known one, when directions are averaged."""

ALONG_ROW = ((0.0, 0.0, 0.0), (1.0, -2.0, 1.0), (0.0, 0.0, 0.0))
ACROSS = ((0.5, 0.0, -0.5), (0.0, 0.0, 0.0), (-0.5, 0.0, 0.5))
ALONG_COLUMN = ((0.0, 1.0, 0.0), (0.0, -2.0, 0.0), (0.0, 1.0, 0.0))
"""Second derivatives: u_xx, 2 u_xy and u_yy."""

EDGE_LEVELS = 4
EDGE_STEPS = 8
EDGE_RATE = 19 / 32
EDGE_MOMENTUM = 11 / 16


class SmoothFill(nn.Module):
    """Smooth fill; it has no weights.

    Args:
        levels: how often the size is halved.
        channels: of the picture.
    """

    window: Tensor
    plate: Tensor
    slopes: Tensor
    bends: Tensor

    def __init__(self, levels: int, channels: int = 3):
        super().__init__()
        self.levels = levels
        self.channels = channels
        weights = torch.tensor(WINDOW)
        sobel = torch.tensor(SOBEL)
        for name, kernels in (
            ("window", (weights[:, None] * weights)[None]),
            ("plate", -PLATE_RATE * torch.tensor(PLATE)[None]),
            ("slopes", torch.stack([sobel, sobel.T])),
            ("bends", EDGE_RATE * torch.tensor([ALONG_ROW, ACROSS, ALONG_COLUMN])),
        ):
            self.register_buffer(name, kernels[:, None].repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, image: Tensor, known: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Fill the holes of an image.

        Args:
            image: [N,channels,H,W] in -1..1, any values in holes; H and W multiples of 2 ** levels.
            known: [N,1,H,W], 1 = known, 0 = hole.

        Returns:
            For each level but the smallest, from the picture's own size on: the fill [N,channels,h,w], known pixels as
            they are, and what part of the pixels is known [N,1,h,w]. The fill is 0 in the holes of a picture in which
            nothing is known.
        """
        if torch.is_autocast_enabled(image.device.type):
            # bfloat16 holds the levels of a picture to the nearest two, and what is added here is finer.
            with torch.autocast(image.device.type, enabled=False):
                return self._fill(image.float(), known.float())
        return self._fill(image, known)

    def _fill(self, image: Tensor, known: Tensor) -> list[tuple[Tensor, Tensor]]:
        pyramid = [(image * known, known)]
        for _ in range(self.levels):
            pyramid.append(self._pull(*pyramid[-1]))
        filled, _ = pyramid.pop()
        for level in reversed(range(self.levels)):
            colours, inside = pyramid[level]
            hole = 1 - inside
            filled = colours + F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False) * hole
            for _ in range(AVERAGES):
                filled = colours + F.avg_pool2d(filled, 3, 1, 1, count_include_pad=False) * hole
            if level < PLATE_LEVELS:
                filled = self._bend(filled, hole)
            if level < EDGE_LEVELS:
                filled = self._continue_edges(filled, hole)
            pyramid[level] = filled, inside
        return pyramid

    def _pull(self, colours: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        count = F.conv2d(known, self.window[:1].to(known.dtype), stride=2, padding=1)
        total = self._per_channel(colours, self.window, stride=2, padding=1)
        return total / count.clamp(min=1), count.clamp(0, 1)

    def _bend(self, filled: Tensor, hole: Tensor) -> Tensor:
        """Steps towards a thin plate under tension."""
        moved = torch.zeros_like(filled)  # what is small keeps its digits in FP16 apart from what it is added to
        for _ in range(PLATE_STEPS):
            bend = self._per_channel(F.pad(filled, (2, 2, 2, 2), mode="replicate"), self.plate)
            moved = PLATE_MOMENTUM * moved + bend * hole
            filled = filled + moved
        return filled

    def _continue_edges(self, filled: Tensor, hole: Tensor) -> Tensor:
        """Diffusion along the edges in holes."""
        row, across, column = (hole * plane for plane in self._edge_tensor(filled, hole))
        moved = torch.zeros_like(filled)
        for _ in range(EDGE_STEPS):
            bends = self._per_channel(F.pad(filled, (1, 1, 1, 1), mode="replicate"), self.bends)
            moved = EDGE_MOMENTUM * moved + row * bends[:, ::3] + across * bends[:, 1::3] + column * bends[:, 2::3]
            filled = filled + moved
        return filled

    def _edge_tensor(self, filled: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Entries xx, xy and yy, each [N,1,H,W], of the matrix that projects onto the edge's direction, times how clear
        that direction is: the structure tensor's difference of eigenvalues over their sum, 0..1."""
        slopes = self._per_channel(F.pad(filled, (1, 1, 1, 1), mode="replicate"), self.slopes)
        across, down = slopes[:, ::2], slopes[:, 1::2]
        pairs = ((across, across), (across, down), (down, down))
        products = torch.cat([(first * second).mean(dim=1, keepdim=True) for first, second in pairs], dim=1)
        products = products * (1 - (1 - UNKNOWN) * hole)
        for _ in range(2):
            products = F.avg_pool2d(products, 5, 1, 2, count_include_pad=False)
        xx, xy, yy = products.chunk(3, dim=1)
        total = xx + yy + FLAT
        difference, mixed = (xx - yy) / total, xy / total
        clear = (difference.square() + 4 * mixed.square()).sqrt()
        return (clear - difference) / 2, -mixed, (clear + difference) / 2

    def _per_channel(self, colours: Tensor, kernels: Tensor, **options: int) -> Tensor:
        """Each channel with each of K kernels: [N,K*channels,H,W], the K results of a channel beside each other."""
        return F.conv2d(colours, kernels.to(colours.dtype), None, groups=self.channels, **options)

"""A small network that takes a sketch, for tests that need no more of it than that."""

import torch
from torch import Tensor, nn

from benchmarks.networks.partial_conv import randomise


class Guided(nn.Module):
    """Two convolutions over the masked image, the mask (1 = known) and the lines; and two planes made of the latter."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(5, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 3, 3, padding=1)
        randomise(self)
        with torch.no_grad():
            self.first.weight *= gain
            self.second.weight /= gain

    def forward(self, image: Tensor, mask: Tensor, sketch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.first(torch.cat([image, mask, sketch], dim=1)).relu()
        return self.second(features), mask * sketch, 1 - mask

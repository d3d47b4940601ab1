"""Small networks of layers that are written in any of the ways of `formulations`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .formulations import Cached, Pair, RatioThenClamp


class ThreeLayers(nn.Module):
    """Three layers of one formulation with activations between them."""

    def __init__(self, layer: Callable[..., nn.Module], holes: bool = False, norm: str = "after", **options: Any):
        super().__init__()
        self.layers = nn.ModuleList([layer(3, 8, 5), layer(8, 8, 3, **options), layer(8, 3, 3)])
        self.norm = nn.BatchNorm2d(8)
        self.holes, self.order = holes, norm

    def forward(self, image: Tensor, mask: Tensor) -> Pair:
        known = 1 - mask if self.holes else mask
        output, known = self.layers[0](image * known, known)
        output = torch.relu(self.norm(output)) if self.order == "before" else self.norm(torch.relu(output))
        output, known = self.layers[1](output, known)
        output, known = self.layers[2](F.leaky_relu(output, 0.2), known)
        return output, known


class SkippingUNet(nn.Module):
    """Two levels; the decoder's mask joins the skip's, or takes no notice of it."""

    def __init__(self, layer: Callable[..., nn.Module], masks: str = "joined"):
        super().__init__()
        self.masks = masks
        self.down = nn.ModuleList([layer(3, 8, 5, stride=2), layer(8, 12, 3, stride=2)])
        self.up = nn.ModuleList([layer(20, 8, 3), layer(11, 3, 3)])

    def forward(self, image: Tensor, mask: Tensor) -> Pair:
        stack = [(image, mask)]
        for layer in self.down:
            output, known = layer(*stack[-1])
            stack.append((torch.relu(output), known))
        output, known = stack.pop()
        for layer in self.up:
            skip, skip_known = stack.pop()
            output = torch.cat([F.interpolate(output, scale_factor=2), skip], dim=1)
            known = F.interpolate(known, scale_factor=2)
            if self.masks == "joined":
                known = torch.cat([known, skip_known], dim=1)
            elif self.masks == "larger":
                known = torch.maximum(known, skip_known)
            output, known = layer(output, known)
        return output, known


class FirstLayersOnly(nn.Module):
    """An ordinary network that begins with partial convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = RatioThenClamp(3, 8, 5), RatioThenClamp(8, 8, 3, stride=2)
        self.body = nn.Sequential(
            nn.Conv2d(8, 16, 3, 2, 1), nn.InstanceNorm2d(16), nn.ReLU(),
            nn.Upsample(scale_factor=4), nn.Conv2d(16, 3, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features, mask = self.first(image, mask)
        features, mask = self.second(torch.relu(features), mask)
        return self.body(torch.relu(features))


class PartialPadding(nn.Module):
    """Partial-convolution padding: layers called without a mask renormalise what the zero padding takes away."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Cached(4, 8, 5), Cached(8, 8, 3, stride=2), Cached(8, 3, 3)])

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        output = torch.cat([image, mask], dim=1)
        for layer in self.layers:
            output = torch.relu(layer(output)[0])
        return torch.tanh(F.interpolate(output, scale_factor=2))


class Recurrent(nn.Module):
    """The same layers several times on their own output, until the mask has closed."""

    def __init__(self, rounds: int = 3) -> None:
        super().__init__()
        self.entrance, self.exit = RatioThenClamp(3, 8, 5), nn.Conv2d(8, 3, 3, padding=1)
        self.layer, self.rounds = RatioThenClamp(8, 8, 3), rounds

    def forward(self, image: Tensor, mask: Tensor) -> Pair:
        features, known = self.entrance(image, mask)
        for _ in range(self.rounds):
            output, updated = self.layer(torch.relu(features), known)
            features = features * known + output * (1 - known)
            known = updated
        return self.exit(features), known

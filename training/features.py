"""What the perceptual and style losses compare: features of VGG-16 after its first three poolings.

Simonyan and Zisserman (2015), configuration D; used by Liu et al. (ECCV 2018), section 3.3. The weights are
torchvision's, trained on ImageNet, and belong to who has downloaded them: none come with this project.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.checkpoints.loading import read_state_dict
from inpaintrt.runtime.console import say
from inpaintrt.runtime.errors import CheckpointError

STAGES = ((64, 64), (128, 128), (256, 256, 256))
"""Channels of the convolutions before each pooling."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FeatureNetwork(nn.Module):
    """The first three stages of VGG-16, frozen.

    Args:
        stages: channels of the convolutions before each pooling; VGG-16's by default.
    """

    offset: Tensor
    scale: Tensor

    def __init__(self, stages: tuple[tuple[int, ...], ...] = STAGES):
        super().__init__()
        channels = [3, *(width for stage in stages for width in stage)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(channels)
        )
        self.stages = stages
        self.register_buffer("offset", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """[N,3,H,W] in -1..1 to the features after each pooling, [N,C,H/2,W/2], [N,C',H/4,W/4], ..."""
        features = ((image + 1) / 2 - self.offset) / self.scale
        found = []
        convolutions = iter(self.convolutions)
        for stage in self.stages:
            for _ in stage:
                features = F.relu(next(convolutions)(features))
            features = F.max_pool2d(features, 2)
            found.append(features)
        return found

    def load_vgg16(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of torchvision's `vgg16`: keys `features.0.weight` and so on.

        Raises:
            CheckpointError: if one is missing or has another shape.
        """
        place = 0
        own = {}
        number = 0
        for stage in self.stages:
            for _ in stage:
                for kind in ("weight", "bias"):
                    key = f"features.{place}.{kind}"
                    if key not in weights:
                        raise CheckpointError(f"these are not the weights of VGG-16: {key} is missing")
                    own[f"convolutions.{number}.{kind}"] = weights[key]
                number += 1
                place += 2  # a ReLU follows each convolution
            place += 1  # and a pooling each stage
        try:
            self.load_state_dict(own)
        except RuntimeError as error:
            raise CheckpointError(f"these are not the weights of VGG-16: {error}") from None


def vgg16_features(path: Path | None = None) -> FeatureNetwork | None:
    """VGG-16 with trained weights, or None, with a line that says why, where they cannot be had.

    Args:
        path: a file with the state dict of torchvision's `vgg16`; without it torchvision is asked, which downloads it
            where it has not yet.

    Raises:
        CheckpointError: if `path` is missing or holds something else.
    """
    if path is not None:
        weights = read_state_dict(path)
    else:
        try:
            from torchvision.models import VGG16_Weights  # type: ignore[import-not-found, unused-ignore]

            weights = VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        except (ImportError, OSError, RuntimeError) as error:
            say(
                f"no weights of VGG-16 ({error}): the perceptual and style losses are off. Install the torchvision "
                "that belongs to your torch (pip install torchvision), or name the file of its weights as `vgg16`."
            )
            return None
    network = FeatureNetwork()
    network.load_vgg16(weights)
    return network.eval()

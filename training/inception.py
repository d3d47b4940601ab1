"""The inception score of Salimans et al. (2016), section 4, which Liu et al. (ECCV 2018) report beside their errors.

exp(E[KL(p(y|x) || p(y))]) over the classes y that Inception-v3 gives to images x. It wants thousands of images:
over a few it says little. The weights are torchvision's; where
they cannot be had, a line says so.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inpaintrt.runtime.console import say

SIDE = 299
Classifier = Callable[[Tensor], Tensor]


def inception_classifier() -> Classifier | None:
    """Inception-v3 as a function from images [N,3,H,W] in 0..1 to class probabilities [N,1000]; None, with a line
    that says why, where its weights cannot be had."""
    try:
        from torchvision.models import (  # type: ignore[import-not-found, unused-ignore]
            Inception_V3_Weights,
            inception_v3,
        )

        network = inception_v3(weights=Inception_V3_Weights.IMAGENET1K_V1).eval()
    except (ImportError, OSError, RuntimeError) as error:
        say(f"inception score: not available, its network's weights cannot be had ({error})")
        return None

    def classify(images: Tensor) -> Tensor:
        enlarged = F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
        with torch.no_grad():
            return torch.softmax(network(2 * enlarged - 1), dim=1)

    return classify


def inception_score(images: Sequence[NDArray[np.uint8]], classify: Classifier) -> float:
    """The score of images [H,W,3], from 1 (all alike) to the number of classes."""
    probabilities = torch.cat(
        [classify(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255).double() for image in images]
    )
    marginal = probabilities.mean(dim=0, keepdim=True)
    divergence = torch.special.xlogy(probabilities, probabilities) - torch.special.xlogy(probabilities, marginal)
    return float(divergence.sum(dim=1).mean().exp())

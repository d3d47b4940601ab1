"""The pixel losses of Liu et al. (ECCV 2018), section 3.3, without the terms that need VGG-16."""

from torch import Tensor
from torch.nn import functional as F

HOLE_WEIGHT = 6.0
VALID_WEIGHT = 1.0
TOTAL_VARIATION_WEIGHT = 0.1


def hole_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error in the holes, over all values of the picture (equation 3).

    `output` and `target` are [N,C,H,W], `mask` is [N,1,H,W] with 1 = known.
    """
    return ((output - target).abs() * (1 - mask)).mean()


def valid_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error where the picture is known, over all values of the picture (equation 3)."""
    return ((output - target).abs() * mask).mean()


def total_variation_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Total variation of the composite on the one-pixel dilation of the hole (equation 6)."""
    composite = mask * target + (1 - mask) * output
    region = F.max_pool2d(1 - mask, kernel_size=3, stride=1, padding=1)
    across = (composite[..., :, 1:] - composite[..., :, :-1]).abs() * region[..., :, 1:] * region[..., :, :-1]
    down = (composite[..., 1:, :] - composite[..., :-1, :]).abs() * region[..., 1:, :] * region[..., :-1, :]
    return across.mean() + down.mean()


def pixel_loss(output: Tensor, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The terms by name, and their weighted sum as `loss`, with the paper's weights (equation 7)."""
    terms = {
        "hole": hole_loss(output, target, mask),
        "valid": valid_loss(output, target, mask),
        "total_variation": total_variation_loss(output, target, mask),
    }
    terms["loss"] = (
        HOLE_WEIGHT * terms["hole"] + VALID_WEIGHT * terms["valid"] + TOTAL_VARIATION_WEIGHT * terms["total_variation"]
    )
    return terms

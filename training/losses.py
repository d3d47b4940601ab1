"""The losses partial convolutions are trained with: Liu et al. (ECCV 2018), section 3.3.

`output` and `target` are [N,3,H,W] in -1..1, `mask` is [N,1,H,W] with 1 = known. Every term is a mean over the batch.
Two terms are this project's own, `similarity` and `log_error`; both weigh 0 unless a configuration asks for them.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from .features import FeatureNetwork
from .limits import Checked, number


@dataclass(frozen=True)
class LossWeights(Checked):
    """Factors on the terms; the defaults are the paper's (equation 7)."""

    valid: float = number(1.0, least=0)
    hole: float = number(6.0, least=0)
    perceptual: float = number(0.05, least=0)
    style: float = number(120.0, least=0)
    total_variation: float = number(0.1, least=0)
    similarity: float = number(0.0, least=0)
    log_error: float = number(0.0, least=0)

    @property
    def needs_features(self) -> bool:
        """Whether a term compares features of VGG-16."""
        return self.perceptual > 0 or self.style > 0

    def has_terms(self, features: bool = True) -> bool:
        """Whether a term weighs more than 0, with or without those that compare features."""
        weights = asdict(self)
        return any(weights[name] > 0 for name in weights if features or name not in ("perceptual", "style"))


def compose(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The output with the known pixels of the target, I_comp of the paper."""
    return mask * target + (1 - mask) * output


def hole_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error in the holes, over all values of the image (equation 3)."""
    return ((output - target).abs() * (1 - mask)).mean()


def valid_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error where the image is known, over all values of the image (equation 3)."""
    return ((output - target).abs() * mask).mean()


def perceptual_loss(outputs: list[Tensor], composites: list[Tensor], targets: list[Tensor]) -> Tensor:
    """Mean absolute difference of features [N,C,H,W], summed over layers, of output and composite (equation 3)."""
    return _sum(
        (output - target).abs().mean() + (composite - target).abs().mean()
        for output, composite, target in zip(outputs, composites, targets, strict=True)
    )


def gram_matrix(features: Tensor) -> Tensor:
    """[N,C,H,W] to [N,C,C]: products of channels, divided by C*H*W (K_p of equations 4 and 5)."""
    count, channels, height, width = features.shape
    flat = features.reshape(count, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def style_loss(features: list[Tensor], targets: list[Tensor]) -> Tensor:
    """Mean absolute difference of Gram matrices, summed over layers (equation 4 or 5)."""
    return _sum(
        (gram_matrix(feature) - gram_matrix(target)).abs().mean()
        for feature, target in zip(features, targets, strict=True)
    )


def total_variation_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Total variation of the composite between neighbours that both lie in the one-pixel dilation of the hole.

    Summed, and divided by the number of values of the image (equation 6).
    """
    composite = compose(output, target, mask)
    region = F.max_pool2d(1 - mask, kernel_size=3, stride=1, padding=1)
    across = (composite[..., :, 1:] - composite[..., :, :-1]).abs() * region[..., :, 1:] * region[..., :, :-1]
    down = (composite[..., 1:, :] - composite[..., :-1, :]).abs() * region[..., 1:, :] * region[..., :-1, :]
    return (across.sum() + down.sum()) / composite.numel()


def log_error_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean over images of log10(MSE over the hole + 1e-4): a tenth of the hole PSNR with its sign turned, but for
    constants.

    So an image with few hole pixels counts as much as one with many, as in the tables of the papers.
    """
    hole = 1 - mask
    values = hole.sum((1, 2, 3)).clamp_min(1) * output.shape[1]
    return torch.log10(((output - target).square() * hole).sum((1, 2, 3)) / values + 1e-4).mean()


SSIM_WIDTH = 11
SSIM_SIGMA = 1.5


def similarity_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - SSIM of the composite, mean over the hole pixels of each image (Wang et al., 2004: Gaussian window, 11
    pixels wide, standard deviation 1.5)."""
    place = torch.arange(SSIM_WIDTH, dtype=output.dtype, device=output.device) - SSIM_WIDTH // 2
    bell = torch.exp(-place.square() / (2 * SSIM_SIGMA**2))
    bell = bell / bell.sum()
    channels, reach = output.shape[1], SSIM_WIDTH // 2

    def blur(values: Tensor) -> Tensor:
        padded = F.pad(values, (reach,) * 4, mode="reflect")
        down = F.conv2d(padded, bell[:, None].expand(channels, 1, -1, 1), groups=channels)
        return F.conv2d(down, bell.expand(channels, 1, 1, -1), groups=channels)

    composite = compose(output, target, mask)
    first, second = blur(composite), blur(target)
    first_variance = blur(composite.square()) - first.square()
    second_variance = blur(target.square()) - second.square()
    covariance = blur(composite * target) - first * second
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # values span 2
    ssim = (2 * first * second + c1) * (2 * covariance + c2)
    ssim = ssim / ((first.square() + second.square() + c1) * (first_variance + second_variance + c2))
    hole = 1 - mask
    values = hole.sum((1, 2, 3)).clamp_min(1) * channels
    return ((1 - ssim) * hole).sum((1, 2, 3)).div(values).mean()


def inpainting_loss(
    output: Tensor, target: Tensor, mask: Tensor, weights: LossWeights, features: FeatureNetwork | None = None
) -> dict[str, Tensor]:
    """The terms by name, and their weighted sum as `loss`.

    Args:
        output, target, mask: as for the module.
        weights: terms with weight 0 are not computed.
        features: without it, the perceptual and style terms are left out.
    """
    terms: dict[str, Tensor] = {}
    for name, function in PIXEL_TERMS.items():
        if getattr(weights, name) > 0:
            terms[name] = function(output, target, mask)
    if features is not None and weights.needs_features:
        of_output, of_composite = features(output), features(compose(output, target, mask))
        with torch.no_grad():
            of_target = features(target)
        terms["perceptual"] = perceptual_loss(of_output, of_composite, of_target)
        terms["style"] = style_loss(of_output, of_target) + style_loss(of_composite, of_target)
    weighted = (getattr(weights, each.name) * terms[each.name] for each in fields(weights) if each.name in terms)
    terms["loss"] = sum(weighted, start=output.new_zeros(()))
    return terms


PIXEL_TERMS = {
    "valid": valid_loss,
    "hole": hole_loss,
    "total_variation": total_variation_loss,
    "similarity": similarity_loss,
    "log_error": log_error_loss,
}


def _sum(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()

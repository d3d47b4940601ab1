"""Losses by their formulas, computed a second time in NumPy, value by value."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from inpaintrt.training import losses
from inpaintrt.training.features import FeatureNetwork
from inpaintrt.training.losses import LossWeights, inpainting_loss

TOLERANCE = 1e-6


def tensors(size: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    shape = (2, 3, size, size + 1)
    return torch.rand(shape) * 2 - 1, torch.rand(shape) * 2 - 1, (torch.rand(2, 1, size, size + 1) > 0.4).float()


def small_features() -> FeatureNetwork:
    torch.manual_seed(1)
    return FeatureNetwork(stages=((4,), (6, 6)))


def test_pixel_terms_follow_the_papers_formulas() -> None:
    output, target, mask = tensors()
    o, t, m = output.double().numpy(), target.double().numpy(), np.repeat(mask.double().numpy(), 3, axis=1)
    count = o.size
    assert losses.hole_loss(output, target, mask).item() == pytest.approx(
        np.abs((1 - m) * (o - t)).sum() / count, rel=TOLERANCE
    )
    assert losses.valid_loss(output, target, mask).item() == pytest.approx(
        np.abs(m * (o - t)).sum() / count, rel=TOLERANCE
    )
    composite, variation = m * t + (1 - m) * o, 0.0
    height, width = o.shape[2:]

    def in_region(n: int, i: int, j: int) -> bool:
        return bool((m[n, 0, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] == 0).any())

    for n, c, i, j in np.ndindex(o.shape):
        for y, x in ((i + 1, j), (i, j + 1)):
            if y < height and x < width and in_region(n, i, j) and in_region(n, y, x):
                variation += abs(composite[n, c, y, x] - composite[n, c, i, j])
    assert losses.total_variation_loss(output, target, mask).item() == pytest.approx(variation / count, rel=TOLERANCE)
    errors = [((o - t)[n] ** 2)[m[n] == 0].mean() for n in range(2)]
    assert losses.log_error_loss(output, target, mask).item() == pytest.approx(
        np.mean(np.log10(np.array(errors) + 1e-4)), rel=TOLERANCE
    )


def test_feature_terms_follow_the_papers_formulas() -> None:
    output, target, mask = tensors()
    network = small_features()
    composite = mask * target + (1 - mask) * output
    of_output, of_composite, of_target = ([f.double().numpy() for f in network(x)] for x in (output, composite, target))
    perceptual = style = 0.0
    for o, c, t in zip(of_output, of_composite, of_target, strict=True):
        perceptual += (np.abs(o - t).sum() + np.abs(c - t).sum()) / t.size
        count, channels, height, width = t.shape
        for n in range(count):
            for a in (o, c):
                for i, j in np.ndindex(channels, channels):
                    difference = (a[n, i] * a[n, j]).sum() - (t[n, i] * t[n, j]).sum()
                    k = 1 / (channels * height * width)
                    style += abs(k * difference) / channels**2 / count
    terms = inpainting_loss(output, target, mask, LossWeights(), network)
    assert terms["perceptual"].item() == pytest.approx(perceptual, rel=TOLERANCE)
    assert terms["style"].item() == pytest.approx(style, rel=10 * TOLERANCE)  # differences of sums that nearly cancel
    expected = (
        terms["valid"] + 6 * terms["hole"] + 0.05 * terms["perceptual"] + 120 * terms["style"]
        + 0.1 * terms["total_variation"]
    )  # fmt: skip
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=TOLERANCE)
    assert "perceptual" not in inpainting_loss(output, target, mask, LossWeights())


def test_similarity_is_scikit_images() -> None:
    output, target, mask = tensors(24)
    mask[..., :6, :] = mask[..., -6:, :] = mask[..., :6] = mask[..., -6:] = 1  # the two extend the border differently
    composite = mask * target + (1 - mask) * output
    expected = []
    for n in range(2):
        _, similarity = structural_similarity(
            composite[n].double().numpy(), target[n].double().numpy(), channel_axis=0, data_range=2,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        )  # fmt: skip
        expected.append(1 - similarity[:, mask[n, 0].numpy() == 0].mean())
    assert losses.similarity_loss(output, target, mask).item() == pytest.approx(np.mean(expected), rel=1e-5)

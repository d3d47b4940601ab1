"""Losses by their formulas, computed a second time in NumPy, value by value."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import nn

from inpaintrt.runtime.errors import CheckpointError
from inpaintrt.training import losses
from inpaintrt.training.adversarial import SNPatchDiscriminator, discriminator_loss, generator_loss
from inpaintrt.training.features import FeatureNetwork, vgg16_features
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


def test_features_are_vggs() -> None:
    reference = nn.Sequential()
    before = 3
    for width in (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool"):
        if width == "pool":
            reference.append(nn.MaxPool2d(2))
        else:
            assert isinstance(width, int)
            reference.extend([nn.Conv2d(before, width, 3, padding=1), nn.ReLU()])
            before = width
    network = FeatureNetwork()
    network.load_vgg16(
        {f"features.{key}": value for key, value in reference.state_dict().items()} | {"classifier": torch.zeros(1)}
    )
    picture = torch.rand(1, 3, 32, 32)
    normalised = (picture - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    for features, end in zip(network(2 * picture - 1), (5, 10, 17), strict=True):
        torch.testing.assert_close(features, reference[:end](normalised))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(CheckpointError, match=r"features\.0\.weight is missing"):
        network.load_vgg16({})


def test_where_weights_of_vgg_cannot_be_had_it_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert vgg16_features() is None
    assert "the perceptual and style losses are off" in capsys.readouterr().err


def test_a_file_that_holds_no_vgg_is_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg16.pth")
    with pytest.raises(CheckpointError, match="not the weights of VGG-16"):
        vgg16_features(tmp_path / "vgg16.pth")


def test_discriminator_has_six_strided_convolutions_with_spectral_norm() -> None:
    torch.manual_seed(0)
    network = SNPatchDiscriminator(8)
    picture, hole = torch.rand(2, 3, 128, 192), torch.zeros(2, 1, 128, 192)
    for _ in range(30):  # the norm is a power iteration, one step for each call
        judged = network(picture, hole)
    assert judged.shape == (2, 32, 2, 3)
    assert len(network.convolutions) == 6
    for convolution in network.convolutions:
        assert isinstance(convolution, nn.Conv2d)
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not torch.equal(judged, network(picture, 1 - hole))


def test_hinge_losses_by_hand() -> None:
    real, filled = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.25])
    assert discriminator_loss(real, filled).item() == pytest.approx((0 + 0.5) / 2 + (0 + 1.25) / 2)
    assert generator_loss(filled).item() == pytest.approx(2.75 / 2)

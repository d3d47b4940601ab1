"""SN-PatchGAN: its layers and its losses."""

import pytest
import torch
from torch import nn

from inpaintrt.training.adversarial import SNPatchDiscriminator, discriminator_loss, generator_loss


def test_discriminator_has_six_strided_convolutions_with_spectral_norm() -> None:
    network = SNPatchDiscriminator(8)
    image, hole = torch.rand(2, 3, 128, 192), torch.zeros(2, 1, 128, 192)
    for _ in range(30):  # the norm is a power iteration, one step for each call
        judged = network(image, hole)
    assert judged.shape == (2, 32, 2, 3)
    assert len(network.convolutions) == 6
    for convolution in network.convolutions:
        assert isinstance(convolution, nn.Conv2d)
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not torch.equal(judged, network(image, 1 - hole))
    before_the_last_activation = []
    network.convolutions[-1].register_forward_hook(lambda _, __, result: before_the_last_activation.append(result))
    judged = network.eval()(image, hole)
    assert torch.equal(judged, nn.functional.leaky_relu(before_the_last_activation[0], 0.2))


def test_hinge_losses_by_hand() -> None:
    real, filled = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.25])
    assert discriminator_loss(real, filled).item() == pytest.approx((0 + 0.5) / 2 + (0 + 1.25) / 2)
    assert generator_loss(filled).item() == pytest.approx(2.75 / 2)

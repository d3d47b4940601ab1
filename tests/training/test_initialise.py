"""First weights."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inpaintrt.export.networks import PConvUNet
from inpaintrt.training.initialise import initialise, initialise_by_data
from inpaintrt.training.network import make_network
from tests.training.conftest import GATED, make_config


@pytest.mark.parametrize("how", ["he", "glorot"])
def test_weights_have_the_papers_deviation(how: str) -> None:
    network = PConvUNet(widths=(16, 32))
    initialise(network, how)
    layer = network.encoder[1].conv.conv
    fan_in, fan_out = 16 * 25, 32 * 25
    expected = math.sqrt(2 / fan_in) if how == "he" else math.sqrt(2 / (fan_in + fan_out))
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert not network.decoder[-1].conv.conv.bias.any()
    before = layer.weight.clone()
    initialise(network, "pytorch")
    assert torch.equal(before, layer.weight)


def test_a_batch_scales_the_weights() -> None:
    network, _ = make_network(make_config(Path(), **GATED))
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., :8, :8] = 1  # the attention needs patches without a hole
    batch = torch.rand(2, 3, 32, 32) * 2 - 1, hole
    results: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, result: results.append(result.detach()))
    initialise_by_data(network, *batch)
    results.clear()
    with torch.no_grad():
        network(*batch)
    assert len(results) > 40
    torch.testing.assert_close(torch.stack([result.std() for result in results]), torch.ones(len(results)))


def test_a_layer_that_sees_nothing_is_not_scaled() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    initialise_by_data(network, torch.zeros(1, 3, 8, 8))
    assert network[0].weight.abs().max() <= 1

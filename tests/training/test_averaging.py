"""The average of the weights, and how it warms up."""

import pytest
import torch
from torch import nn

from inpaintrt.training.averaging import AveragedWeights, largest


def test_the_average_follows_its_formula() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    averaged = AveragedWeights(network, 0.5)
    expected = network[0].weight.item()
    for step in range(12):
        with torch.no_grad():
            network[0].weight.fill_(float(step))
            network[1].running_mean.fill_(float(step))
        network[1].num_batches_tracked.fill_(step)
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * step
        averaged.update(network, step)
    result = averaged.network.state_dict()
    assert result["0.weight"].item() == pytest.approx(expected)
    assert result["1.running_mean"].item() > 9
    assert result["1.num_batches_tracked"] == 11
    assert not averaged.network.training


def test_without_decay_it_is_the_last_weights() -> None:
    network = nn.Conv2d(2, 2, 3)
    averaged = AveragedWeights(network, 0)
    nn.init.normal_(network.weight)
    averaged.update(network, 5)
    assert torch.equal(averaged.network.state_dict()["weight"], network.weight)


def test_a_short_run_saves_what_it_learned() -> None:
    network = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(network.weight)
    averaged = AveragedWeights(network, 0.999)
    nn.init.ones_(network.weight)
    for step in range(120):
        averaged.update(network, step)
    assert averaged.network.state_dict()["weight"].item() > 0.99


def test_the_largest_value_may_be_a_statistic() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    network[1].running_mean.fill_(-70000.0)
    assert largest(network) == 70000

"""Convolutions that go separate ways are separate where that moves less, with the same results to the bit."""

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export.graph.passes.separate_parallel_convs import separate_parallel_convs
from inpaintrt.export.networks import GatedConv2d
from tests.export.graph.graphs import assert_same, operators, traced


class Gated(nn.Module):
    """One gated convolution of the masked image, of a width and stride."""

    def __init__(self, width: int = 8, stride: int = 1):
        super().__init__()
        self.layer = GatedConv2d(4, width, stride=stride)
        self.last = nn.Conv2d(width, 3, 1)
        self.stride = stride

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = self.layer(torch.cat([image, mask], dim=1))
        return nn.functional.interpolate(self.last(features), scale_factor=self.stride)


def test_features_and_gate_are_separate() -> None:
    model = traced(randomise(Gated()))
    separate, report = separate_parallel_convs(model)
    assert operators(model)["Conv"] == 2
    assert operators(separate)["Conv"] == 3
    assert "Split" not in operators(separate)
    assert len(report.changed) == 1
    assert_same(model, separate)


@pytest.mark.parametrize(("width", "stride"), [(2, 1), (8, 2)])
def test_a_small_result_of_a_large_input_stays_one_convolution(width: int, stride: int) -> None:
    model = traced(randomise(Gated(width, stride)))
    separate, report = separate_parallel_convs(model)
    assert operators(separate) == operators(model)
    assert report.changed == []


class Shared(Gated):
    """The whole result is used besides its parts."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        both = self.layer.conv(torch.cat([image, mask], dim=1))
        first, second = torch.split(both, both.shape[1] // 2, dim=1)
        return self.last(first * second) + both.mean(dim=1, keepdim=True)


def test_a_result_that_is_used_whole_stays() -> None:
    model = traced(randomise(Shared()))
    separate, report = separate_parallel_convs(model)
    assert operators(separate) == operators(model)
    assert report.changed == []


def test_what_it_is_given_does_not_change() -> None:
    model = traced(randomise(Gated()))
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    separate_parallel_convs(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before

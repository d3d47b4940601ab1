"""Parallel convolutions over one input become one."""

import torch
from torch import Tensor, nn

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export.graph.passes.combine_parallel_convs import combine_parallel_convs
from inpaintrt.export.networks import GatedConv2d
from tests.export.graph.graphs import (
    assert_same,
    operators,
    traced,
)


class Gated(nn.Module):
    """A gated convolution of the masked image, in either form."""

    def __init__(self, separate: bool):
        super().__init__()
        self.first = GatedConv2d(4, 8, separate=separate, batch_norm=separate)
        self.last = GatedConv2d(8, 3, separate=separate, activation="leaky_relu")

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.last(self.first(torch.cat([image, mask], dim=1)))


def test_features_and_gate_become_one_convolution() -> None:
    model = traced(randomise(Gated(separate=True)))
    assert operators(model)["Conv"] == 4
    merged, report = combine_parallel_convs(model)
    assert operators(merged)["Conv"] == 2
    assert len(report.changed) == 2
    assert_same(model, merged)


class Branches(nn.Module):
    """Two gated branches over one input, a third of another stride and a fourth of another window."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([GatedConv2d(3, 4), GatedConv2d(3, 6), GatedConv2d(3, 4, kernel_size=5)])
        self.plain = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.apart = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.last = nn.Conv2d(18, 3, 1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = image * mask
        small = self.apart(features).mean(dim=(2, 3), keepdim=True)
        return self.last(torch.cat([*(branch(features) for branch in self.branches), self.plain(features) + small], 1))


def test_branches_over_one_input_share_a_convolution_and_one_split() -> None:
    model = traced(randomise(Branches()))
    merged, _ = combine_parallel_convs(model)
    assert operators(model)["Conv"] - operators(merged)["Conv"] == 2  # two gated ones and the plain one are one now
    splits = [node for node in merged.graph if node.op_type == "Split"]
    assert sorted(len(node.outputs) for node in splits) == [2, 5]
    assert_same(model, merged)


def test_what_differs_is_not_merged() -> None:
    class Different(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.wide = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 5, padding=2)
            self.spread, self.grouped = (
                nn.Conv2d(3, 3, 3, padding=2, dilation=2),
                nn.Conv2d(3, 3, 3, padding=1, groups=3),
            )

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            x = image * mask
            return self.first(x) + self.wide(x) + self.spread(x) + self.grouped(x)

    model = traced(randomise(Different()))
    merged, report = combine_parallel_convs(model)
    assert report.changed == []
    assert operators(merged) == operators(model)

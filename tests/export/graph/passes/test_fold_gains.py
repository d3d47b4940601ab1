"""Gains fold through activations that are positively homogeneous, and through no others."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.fold_gains import fold_gains
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.graphs import assert_same, inputs, operators, run, traced

GAIN = 2.0**0.5


class Equalised(nn.Module):
    """Convolutions whose weights are multiplied by a number at each call, activations and gains after them."""

    def __init__(self, activation: Callable[[Tensor], Tensor], layers: int = 1, width: int = 4, gain: float = GAIN):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(4, width, 1), nn.Conv2d(width, 3, 1)
        self.weights = nn.ParameterList(torch.randn(width, width, 3, 3) for _ in range(layers))
        self.biases = nn.ParameterList(torch.randn(width) for _ in range(layers))
        self.activation = activation
        self.gain = gain
        self.scale = (2 / (9 * width)) ** 0.5

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = self.first(torch.cat([image, mask], dim=1))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            convolved = F.conv2d(features, weight * self.scale, padding=1) + bias[:, None, None]
            features = self.activation(convolved) * self.gain
        return self.last(features)


@pytest.mark.parametrize("activation", [lambda x: F.leaky_relu(x, 0.2), torch.relu, lambda x: x])
def test_a_gain_becomes_part_of_the_convolution(activation: Callable[[Tensor], Tensor]) -> None:
    model = traced(Equalised(activation))
    assert operators(model)["Mul"] == 1  # the weight's own factor is folded, the gain is not
    folded, report = fold_gains(model)
    assert operators(folded)["Mul"] == 0
    assert len(report.changed) == 1
    assert_same(model, folded)


@pytest.mark.parametrize(
    ("activation", "gain"), [(torch.sigmoid, GAIN), (torch.tanh, GAIN), (lambda x: F.leaky_relu(x, 0.2), -GAIN)]
)
def test_other_activations_and_negative_gains_stay(activation: Callable[[Tensor], Tensor], gain: float) -> None:
    model = traced(Equalised(activation, gain=gain))
    folded, report = fold_gains(model)
    assert operators(folded)["Mul"] == 1
    assert report.changed == []


def test_features_that_are_read_before_the_gain_keep_it_apart() -> None:
    class Skipped(Equalised):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            features = torch.relu(self.first(torch.cat([image, mask], dim=1)))
            return self.last(features * self.gain + features)

    model = traced(Skipped(torch.relu))
    folded, report = fold_gains(model)
    assert report.changed == []
    assert_same(model, folded)


def test_fp16_no_longer_leans_to_one_side() -> None:
    network = Equalised(lambda x: F.leaky_relu(x, 0.2), layers=12, gain=1.0004)
    for bias in (*network.biases, network.last.bias):
        assert bias is not None
        nn.init.zeros_(bias)
    model = traced(network)
    given = inputs()
    expected = run(model, given)[0]

    def leaning(folded: bool) -> float:
        half, _ = convert_to_fp16(fold_gains(model)[0] if folded else model)
        found = StrictFp16(half).run(given).outputs["output"]
        return abs(float((found * expected).sum() / (expected * expected).sum()) - 1)

    assert leaning(folded=True) < leaning(folded=False) / 3  # unfolded, FP16 takes 1 for the gain, 12 times


def test_weights_are_computed_at_export_however_large() -> None:
    network = Equalised(torch.relu, width=64)
    assert network.weights[0].numel() > 32_000
    model = traced(network)
    assert operators(model)["Mul"] == 1  # the gain's
    weights = [node.inputs[1] for node in model.graph if node.op_type == "Conv"]
    assert all(weight is not None and weight.const_value is not None for weight in weights)


def test_batch_norm_folds_into_a_transposed_convolution() -> None:
    class Wider(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.up = nn.ConvTranspose2d(4, 3, 3, 2, padding=1, output_padding=1)
            self.norm = nn.BatchNorm2d(3)
            nn.init.uniform_(self.norm.weight, 0.5, 1.5)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            small = F.avg_pool2d(torch.cat([image, mask], dim=1), 2)
            filled: Tensor = self.norm(self.up(small))
            return filled

    model = traced(Wider())
    folded, report = fold_batch_norm(model)
    assert report.refused == []
    assert operators(folded)["Mul"] == operators(folded)["BatchNormalization"] == 0
    assert_same(model, folded)
    assert np.isfinite(run(folded, inputs())[0]).all()

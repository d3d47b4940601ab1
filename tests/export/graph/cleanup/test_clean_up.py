"""The clean-up of the raw trace drops only what changes no value."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.networks.partial_conv import EpsilonNetwork, randomise
from inpaintrt.export import Interface
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from tests.export.graph.graphs import (
    SIZE,
    Layer,
    all_hole,
    assert_same,
    operators,
    run,
    traced,
)


def test_epsilon_survives_the_trace() -> None:
    # torch.onnx.export's own optimisation drops + 1e-8, and every hole becomes NaN.
    network = randomise(EpsilonNetwork())
    feed = all_hole()
    assert np.isfinite(run(traced(network), feed)[0]).all()
    plain = trace(TensorNetwork(network, Interface()), Profile((1, 1, 1), (SIZE,) * 3, (SIZE,) * 3), optimize=True)
    assert np.isnan(run(plain.model, feed)[0]).all()


def test_adding_nothing_is_dropped_and_adding_something_is_not() -> None:
    zeros, small = torch.zeros(1), torch.full((1,), 1e-8)
    model = traced(Layer(lambda s, x, m: s.conv(x) - zeros + torch.zeros(1, 3, 1, 1)))
    assert operators(model) == {"Conv": 1}
    assert operators(traced(Layer(lambda s, x, m: s.conv(x) + small)))["Add"] == 1
    # a zero that enlarges what it is added to
    assert operators(traced(Layer(lambda s, x, m: (s.conv(x)[:, :1] + torch.zeros(1, 3, 1, 1)) * m)))["Add"] == 1


def test_equal_channels_of_a_constant_are_stored_once() -> None:
    def padded(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        known = F.conv2d(torch.ones(2, 3, SIZE, SIZE), torch.ones(3, 3, 3, 3), padding=1)
        return layer.conv(image * mask) * (27 / known)[:1]

    model = traced(Layer(padded))
    planes = [
        value.const_value.shape for value in model.graph.initializers.values() if value.const_value.size >= SIZE**2
    ]
    assert [list(shape) for shape in planes] == [[1, 1, SIZE, SIZE]]


def test_clamping_twice_is_clipping_once() -> None:
    # onnxscript's rule for this names the limits after the value, so that a second clamp of it lost its own.
    def twice(layer: Layer, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return layer.conv(image * mask) * (9 / (total + 1e-8)) * total.clamp(0, 1), total.clamp(0, 1)

    model = traced(Layer(twice))
    assert operators(model)["Clip"] >= 1
    assert "Min" not in operators(model)
    normalised, _ = normalise_mask_ratio(model)
    assert_same(model, normalised)

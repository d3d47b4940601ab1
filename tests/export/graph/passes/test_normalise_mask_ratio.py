"""The mask ratio is 1 where everything is known, however the layer was written."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.graph.analysis.multiply_adds import fp16_share
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.graphs import (
    SHAPES,
    Layer,
    assert_same,
    inputs,
    run,
    traced,
    wide_trace,
)


def test_a_window_that_is_no_number_is_not_taken_for_the_scale_of_a_ratio() -> None:
    def corrected(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        ones = torch.ones(1, 1, 3, 3)
        total, window = F.conv2d(mask, ones, padding=1), F.conv2d(torch.ones_like(mask), ones, padding=1)
        return torch.tanh(layer.conv(image * mask) * (window / (total + 1e-8)) * total.clamp(0, 1))

    model = traced(Layer(corrected))
    normalised, report = normalise_mask_ratio(model)
    assert report.changed == []
    half, _ = convert_to_fp16(normalised)
    result = StrictFp16(half).run(inputs())
    assert result.first_non_finite is None
    assert np.abs(result.outputs["output"] - run(model, inputs())[0]).max() < 5e-3


def test_division_by_the_mask_sum_is_rescaled() -> None:
    model = wide_trace()
    rescaled, report = normalise_mask_ratio(model)
    assert len(report.changed) == 6
    assert report.refused == []
    assert_same(model, rescaled)
    path = analyse_mask_path(rescaled)
    assert not any(n.op_type == "Div" and n.inputs[0] in path.image_dependent for n in rescaled.graph)


@pytest.mark.parametrize(
    "treatment",
    [
        lambda s, x, total: s.conv(x) / total,
        lambda s, x, total: s.conv(x) * (1 / total),
        lambda s, x, total: s.conv(x) * total.reciprocal(),
        lambda s, x, total: s.conv(x) * (total > 0) / total,
    ],
)
def test_ratios_are_scaled_however_they_are_written(treatment: Any) -> None:
    def layer(module: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask.expand(-1, 3, -1, -1), torch.ones(1, 3, 3, 3), padding=1)
        return treatment(module, image * mask, total.masked_fill(total == 0, 1.0))

    network = Layer(layer)
    with torch.no_grad():
        network.conv.weight.mul_(1e5)  # its convolution alone leaves the FP16 range
    model = traced(network)
    normal, report = normalise_mask_ratio(model)
    assert len(report.changed) == 1
    assert_same(model, normal)
    half, _ = convert_to_fp16(clean_up(normal))
    result = StrictFp16(half).run(inputs())
    assert result.first_non_finite is None
    assert fp16_share(half, SHAPES) > 0.7  # the rest is the mask sum


@pytest.mark.parametrize(
    ("numerator", "reason"),
    [
        (lambda s, x: torch.relu(s.conv(x)), "what is multiplied by the ratio is no convolution"),
        (lambda s, x: F.conv2d(x, x[:, :, :9, :3].reshape(3, 3, 3, 3), padding=1), "weight is not constant"),
    ],
)
def test_a_numerator_that_cannot_be_rescaled_is_left_with_the_reason(numerator: Any, reason: str) -> None:
    def divided(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 9, 9), padding=4).clamp(min=1)
        return torch.tanh(numerator(layer, image * mask) / total)

    model = traced(Layer(divided))
    rescaled, report = normalise_mask_ratio(model)
    assert report.changed == []
    assert reason in report.refused[0][1]
    assert_same(model, rescaled)

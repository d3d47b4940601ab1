"""Batch norm goes through the mask ratio into the weights, or stays with the reason."""

from typing import Any

import onnx_ir as ir
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from tests.export.graph.graphs import (
    Layer,
    assert_same,
    operators,
    traced,
    wide_trace,
)


def test_batch_norm_folds_through_the_mask_ratio() -> None:
    model = wide_trace()
    rescaled, _ = normalise_mask_ratio(model)
    folded, _ = fold_batch_norm(rescaled)
    assert operators(rescaled)["BatchNormalization"] == 4
    assert operators(folded)["BatchNormalization"] == 0
    assert operators(folded)["Conv"] == operators(rescaled)["Conv"]
    assert_same(model, folded)


def test_batch_norm_folds_with_a_masked_bias() -> None:
    model = traced(Layer(lambda s, x, m: s.norm(s.conv(x * m) * m + s.norm.weight[:, None, None] * m)))
    folded, report = fold_batch_norm(model)
    assert len(report.changed) == 1
    assert report.refused == []
    assert_same(model, folded)


def test_batch_norm_behind_an_activation_stays_a_multiplication() -> None:
    model = traced(Layer(lambda s, x, m: s.norm(torch.relu(s.conv(x * m)))))
    folded, report = fold_batch_norm(model)
    assert len(report.refused) == 1
    assert "Relu stands before it" in report.refused[0][1]
    assert_same(model, folded)


def test_batch_norm_does_not_scale_a_value_with_two_users() -> None:
    def twice(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        features = layer.conv(image * mask)
        return layer.norm(features) + features

    model = traced(Layer(twice))
    folded, report = fold_batch_norm(model)
    assert "used twice" in report.refused[0][1]
    assert_same(model, folded)


@pytest.mark.parametrize(
    ("treatment", "reason"),
    [
        (
            lambda s, x, m: s.norm(s.conv(x * m) * torch.sigmoid(s.conv(x))),
            "its input is a product of two feature values",
        ),
        (
            lambda s, x, m: s.norm(F.conv2d(x * m, x[:, :, :9, :3].reshape(3, 3, 3, 3), padding=1)),
            "the convolution's weight is not constant",
        ),
    ],
)
def test_what_cannot_take_the_scale_is_told(treatment: Any, reason: str) -> None:
    model = traced(Layer(treatment))
    folded, report = fold_batch_norm(model)
    assert report.changed == []
    assert report.refused[0][1] == f"left as a multiplication and an addition: {reason}"
    assert operators(folded)["BatchNormalization"] == 0
    assert_same(model, folded)


def test_statistics_that_are_computed_are_told() -> None:
    model = ir.from_onnx_text("""
        <ir_version: 9, opset_import: ["" : 20]>
        network (float[1,3,32,32] image, float[1,1,32,32] mask) => (float[1,3,32,32] output)
        <float[3] one = {1, 1, 1}, int64[3] places = {0, 2, 3}>
        {
            mean = ReduceMean <keepdims = 0> (image, places)
            masked = Mul (image, mask)
            output = BatchNormalization (masked, one, one, mean, one)
        }
    """)
    folded, report = fold_batch_norm(model)
    assert report.refused == [
        ("BatchNormalization output", "its statistics are not constant, or it is in training mode")
    ]
    assert operators(folded) == operators(model)
    assert_same(model, folded)

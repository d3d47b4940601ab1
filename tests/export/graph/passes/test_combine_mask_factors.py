"""Features meet the mask path in as few products as possible, exactly."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.graph.ir_tools import infer_types
from inpaintrt.export.graph.passes.combine_mask_factors import combine_mask_factors
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.graphs import (
    Layer,
    all_hole,
    assert_safe_in_fp16,
    assert_same,
    fp16_of,
    operators,
    traced,
)


def total_of(mask: Tensor) -> Tensor:
    return F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)


@pytest.mark.parametrize(
    "treatment",
    [
        lambda z, s, m: z / s.clamp(min=1),
        lambda z, s, m: z * (9 / s.clamp(min=1)) * m,
        lambda z, s, m: z * 9 / s.clamp(min=1) * s.clamp(0, 1),
        lambda z, s, m: torch.where(s > 0, z * (9 / s.clamp(min=1)), 0.0),
        lambda z, s, m: torch.where(s == 0, 0.0, z * (9 / s.clamp(min=1))),
    ],
    ids=["division", "two factors", "number and two factors", "choice", "choice the other way round"],
)
def test_one_product_is_left(treatment: Any) -> None:
    model = traced(Layer(lambda s, x, m: treatment(s.conv(x * m), total_of(m), m)))
    combined = combine_mask_factors(model)
    features = analyse_mask_path(combined).image_dependent
    conv = next(node for node in combined.graph if node.op_type == "Conv" and node.outputs[0] in features)
    (use,) = conv.outputs[0].uses()
    assert use.node.op_type == "Mul"
    assert use.node.outputs[0] is combined.graph.outputs[0]
    assert_same(model, combined)


def test_a_product_with_two_users_is_not_gathered() -> None:
    def twice(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        product = layer.conv(image * mask) * (9 / total_of(mask).clamp(min=1))
        return product * mask + product

    model = traced(Layer(twice))
    combined = combine_mask_factors(model)
    assert operators(combined)["Mul"] == operators(model)["Mul"]
    assert_same(model, combined)


def test_products_of_features_are_left() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x) * torch.relu(s.conv(x)) * m))
    combined = combine_mask_factors(model)
    assert operators(combined) == operators(model)


def test_a_factor_that_is_larger_than_the_other_gives_the_product_its_shape() -> None:
    def mean_filled(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        mean = (image * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1)
        return layer.conv(image * mask + mean * (1 - mask))

    model = traced(Layer(mean_filled))
    normalised, _ = normalise_mask_ratio(model)
    assert_same(model, normalised)
    shapes = {value.name: list(value.shape) for node in normalised.graph for value in node.outputs}
    inferred = infer_types(normalised)
    assert all(shapes[value.name] == list(value.shape) for node in inferred.graph for value in node.outputs)


def test_a_ratio_masked_after_the_product_is_masked_before_it() -> None:
    def late(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return torch.sigmoid(layer.conv(image * mask) * (9 / (total + 1e-8)) * total.clamp(0, 1))

    half, report = fp16_of(Layer(late))
    assert report.clipped == []
    assert not any("not proven" in reason for _, reason in report.kept)
    feed = all_hole()
    assert StrictFp16(half).run(feed).first_non_finite is None


def test_a_ratio_that_is_masked_late_is_masked_at_once() -> None:
    def late(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return torch.sigmoid((layer.conv(image * mask) * (9 / (total + 1e-8)) + 1.5) * total.clamp(0, 1))

    assert_safe_in_fp16(Layer(late), kept=[])

"""The FP16 graph: features in FP16, the mask path in FP32, and safe on the whole mask corpus."""

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import EpsilonNetwork, NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export.graph.analysis.mask_path import MaskPath, analyse_mask_path
from inpaintrt.export.graph.analysis.multiply_adds import fp16_share
from inpaintrt.export.graph.fp16 import convert
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.masks import mask_corpus
from tests.export.graph.graphs import (
    SHAPES,
    SIZE,
    Layer,
    all_hole,
    assert_safe_in_fp16,
    fp16_of,
    inputs,
    run,
    traced,
)


def test_an_unbounded_ratio_keeps_its_products_fp32() -> None:
    def never(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return torch.sigmoid(layer.conv(image * mask) * (9 / (total + 1e-8)) + 1.5)

    assert_safe_in_fp16(Layer(never), kept=["Mul", "Add"])


@pytest.mark.parametrize(
    ("network", "mask_channels"),
    [(randomise(EpsilonNetwork()), 1), (dividing_trained_scale(), 3), (randomise(NoMaskPath()), 1)],
)
def test_fp16_holds_on_the_whole_corpus(network: nn.Module, mask_channels: int) -> None:
    corpus = mask_corpus(SIZE, SIZE)  # one batch, so that each node is evaluated once
    known = ~np.stack([case.hole[None] for case in corpus])
    feed = {"image": np.repeat(inputs()["image"], len(corpus), axis=0), "mask": known.astype(np.float32)}
    fp16, _ = fp16_of(network, mask_channels, batch=len(corpus))
    result = StrictFp16(fp16).run(feed)
    assert result.first_non_finite is None
    expected = run(traced(network, mask_channels, len(corpus)), feed)[0]
    for case, found, wanted in zip(corpus, result.outputs["output"], expected, strict=True):
        error = np.linalg.norm(found - wanted) / max(np.linalg.norm(wanted), 1e-6)
        assert error < 5e-3, case.name  # a few roundings of 2^-11 for each of up to 6 layers


def test_without_the_fp32_mask_path_holes_are_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the pass protects from: with the mask path in FP16 as well, + 1e-8 is + 0 and holes divide 0 by 0.

    def everything_is_a_feature(model: ir.Model) -> MaskPath:
        path = analyse_mask_path(model)
        return MaskPath(frozenset(), path.image_dependent | path.mask_only, {})

    model = traced(randomise(EpsilonNetwork()))
    monkeypatch.setattr(convert, "analyse_mask_path", everything_is_a_feature)
    monkeypatch.setattr(convert, "SMALLEST", 0.0)
    half, _ = convert_to_fp16(model)
    feed = all_hole()
    assert StrictFp16(half).run(feed).first_non_finite is not None


def test_mask_path_stays_fp32_and_nearly_all_work_is_fp16() -> None:
    half, report = fp16_of(dividing_trained_scale(), mask_channels=3)
    path = analyse_mask_path(half)
    for node in half.graph:
        if node.op_type in ("Conv", "Div", "Clip") and node.outputs[0] in path.mask_only:
            assert node.outputs[0].dtype == ir.DataType.FLOAT
    feature_convolutions = [n for n in half.graph if n.op_type == "Conv" and n.outputs[0] in path.image_dependent]
    assert {node.outputs[0].dtype for node in feature_convolutions} == {ir.DataType.FLOAT16}
    assert report.kept == []
    assert fp16_share(half, SHAPES) > 0.97


def test_a_bias_times_the_mask_is_fp16_like_the_features() -> None:
    def biased(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        updated = F.max_pool2d(mask, 3, 1, 1)
        return torch.relu(layer.without_bias(image * mask) * 100 + layer.conv.bias.view(1, 3, 1, 1) * updated)

    class WithBias(Layer):
        def without_bias(self, features: Tensor) -> Tensor:
            return F.conv2d(features, self.conv.weight, padding=1)

    model = traced(WithBias(biased))
    for headroom in (1.0, 0.25):
        half, _ = convert_to_fp16(model, headroom=headroom)
        wide = [node for node in half.graph if node.op_type == "Mul" and node.outputs[0].shape[1] == 3]
        assert wide
        single = [node for node in wide if node.outputs[0].dtype == ir.DataType.FLOAT]
        assert {node.name for node in single} <= {"output_without_headroom"} | {
            node.name for node in wide if node.outputs[0].name == "image_with_headroom"
        }
        result = StrictFp16(half).run(inputs()).outputs["output"]
        expected = run(model, inputs())[0]
        assert np.linalg.norm(result - expected) / np.linalg.norm(expected) < 2e-3


def test_an_infinite_ratio_is_clipped_before_its_cast() -> None:
    # ratio = 9 / (0 + 1e-8) is 9e8 in a hole; as infinity in FP16 it would make 0 * inf = NaN.
    def unclamped(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        return torch.relu(layer.conv(image * mask) * (9.0 / (mask + 1e-8)))

    half, report = fp16_of(Layer(unclamped, bias=False))
    assert len(report.clipped) == 1
    result = StrictFp16(half).run(inputs())
    assert result.first_non_finite is None


def test_constants_that_do_not_fit_are_found() -> None:
    _, report = fp16_of(Layer(lambda s, x, m: torch.sigmoid(s.conv(x * m) * 1e5)))
    assert any("reaches 100000" in reason for _, reason in report.kept)
    _, report = fp16_of(Layer(lambda s, x, m: torch.sigmoid(s.conv(x * m)) + 1e-8))
    assert any("1e-08 is too small" in reason for _, reason in report.kept)


def test_nodes_the_user_names_stay_fp32() -> None:
    _, report = fp16_of(randomise(NoMaskPath()), keep=("conv2d*",))
    assert report.kept == [("Conv conv2d", "--keep-fp32 conv2d*")]


def test_a_numerator_that_cannot_be_rescaled_stays_fp32() -> None:
    def divided(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 9, 9), padding=4).clamp(min=1)
        return torch.tanh(torch.relu(layer.conv(image * mask)) / total)

    _, report = convert_to_fp16(normalise_mask_ratio(traced(Layer(divided)))[0])
    ((name, reason),) = report.kept
    assert name.startswith("Relu")
    assert "is scaled down by the mask path" in reason


def test_features_that_become_integers_stay_fp32() -> None:
    _, report = fp16_of(Layer(lambda s, x, m: s.conv((x * 7.9).int().float() * m)))
    assert "it turns features into integers" in [reason for _, reason in report.kept]


def test_strict_evaluation_sees_overflow_that_onnxruntime_hides() -> None:
    model = traced(Layer(lambda s, x, m: torch.sigmoid((s.conv(x * m) * 6e4) * 1e-5)))
    half, _ = convert_to_fp16(model)
    assert np.isfinite(run(half, inputs())[0]).all()
    assert str(StrictFp16(half).run(inputs()).first_non_finite).startswith("Mul")

"""Each pass: exact where it applies, and a reason where it refuses."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import EpsilonNetwork, NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.graph.analysis.multiply_adds import fp16_share, multiply_adds
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.fp16.feature_peak import feature_peak
from inpaintrt.export.graph.fp16.headroom import add_headroom, scale_for
from inpaintrt.export.graph.ir_tools import infer_types
from inpaintrt.export.graph.passes.collapse_mask_channels import collapse_mask_channels
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.masks import mask_corpus
from tests.export.graph.graphs import SHAPES, SIZE, Layer, assert_same, inputs, operators, run, traced


def test_mask_path_is_found_in_a_network_of_another_author() -> None:
    model = traced(EpsilonNetwork(holes=True))
    path = analyse_mask_path(model)
    mask_convolutions = [n for n in model.graph if n.op_type == "Conv" and n.outputs[0] in path.mask_only]
    assert len(mask_convolutions) == 3
    assert [path.ranges[node.outputs[0]] for node in mask_convolutions] == [(0, 25), (0, 9), (0, 9)]
    updated = next(value for value in model.graph.outputs if value.name == "updated_mask")
    assert path.ranges[updated] == (0, 1)
    assert not path.mask_only & path.image_dependent


def test_shapes_of_features_do_not_make_a_mask_an_image_value() -> None:
    def ones_like(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        features = layer.conv(image * mask)
        return features * torch.ones_like(features).masked_fill(mask == 0, 0.0)

    path = analyse_mask_path(traced(Layer(ones_like)))
    assert len(path.mask_only) > 1


def test_epsilon_survives_the_trace() -> None:
    # torch.onnx.export's own optimisation drops + 1e-8, and every hole becomes NaN.
    network = randomise(EpsilonNetwork())
    feed = inputs() | {"mask": np.zeros((1, 1, SIZE, SIZE), dtype=np.float32)}
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


def test_identical_mask_channels_are_carried_once() -> None:
    model = traced(dividing_trained_scale(), mask_channels=3)
    collapsed, report = collapse_mask_channels(model)
    assert len(report.changed) == 6
    assert_same(model, collapsed)
    path = analyse_mask_path(collapsed)
    mask_convolutions = [n for n in collapsed.graph if n.op_type == "Conv" and n.outputs[0] in path.mask_only]
    assert [node.outputs[0].shape[1] for node in mask_convolutions] == [1] * 6
    # the decoder's masks have one plane for each part of its features
    assert [node.inputs[0].shape[1] for node in mask_convolutions] == [1, 1, 1, 2, 2, 2]
    before, after = (multiply_adds(each, SHAPES)[ir.DataType.FLOAT] for each in (model, collapsed))
    assert after < 0.52 * before


def test_numbers_that_were_given_a_shape_broadcast() -> None:
    # Large or dynamic shapes are not folded: zeros_like(features) stays an expansion to the shape of the features.
    network = dividing_trained_scale()
    interface = Interface(mask_channels=3, size_multiple=8)
    profile = Profile((1, 2, 2), (32, 64, 64), (32, 64, 64))
    model = clean_up(trace(TensorNetwork(network, interface).eval(), profile).model)
    assert "Shape" not in operators(model)
    for optimisation in (collapse_mask_channels, normalise_mask_ratio, fold_batch_norm):
        model, report = optimisation(model)
        assert report.refused == []
    assert operators(clean_up(model))["Conv"] == 12
    feed = inputs()
    with torch.no_grad():
        expected = TensorNetwork(network, interface)(*(torch.from_numpy(feed[name]) for name in ("image", "mask")))
    found = run(clean_up(model), feed)
    assert np.linalg.norm(found[0] - expected[0].numpy()) < 1e-5 * np.linalg.norm(expected[0].numpy())
    assert (found[1] == expected[1].numpy()).all()


def ones(inputs_: int, outputs: int) -> Tensor:
    return torch.ones(outputs, inputs_, 3, 3)


@pytest.mark.parametrize(
    ("masked", "shrinks"),
    [
        (lambda m: F.conv2d(m.expand(-1, 3, -1, -1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(torch.cat([m, m, 1 - m], 1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(m.expand(-1, 3, -1, -1), torch.arange(81.0).view(3, 3, 3, 3), padding=1), True),
        (
            lambda m: F.conv2d(
                m.expand(-1, 3, -1, -1) * torch.tensor([1.0, 2, 3]).view(3, 1, 1), ones(3, 3)[:, :, 1:2, 1:2]
            ),
            True,
        ),
        (lambda m: F.conv2d(m.expand(-1, 3, -1, -1), torch.ones(3, 1, 3, 3), padding=1, groups=3), True),
        (lambda m: F.conv2d(torch.cat([m, 1 - m, m.flip(3)], 1), ones(3, 3), padding=1), True),
        (lambda m: F.conv2d(torch.cat([m, m.flip(3)], 1), torch.arange(54.0).view(3, 2, 3, 3), padding=1), False),
        (lambda m: F.max_pool2d(F.conv2d(m, ones(1, 3), padding=1), 3, 1, 1) * torch.ones(1, 3, 1, 1), True),
        (lambda m: (F.conv2d(m, ones(1, 3), padding=1) == 0).float().masked_fill(m == 0, 0.5), True),
    ],
)
def test_collapsing_is_exact_whatever_the_mask_path_does(masked: Any, shrinks: bool) -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m) * masked(m)))
    collapsed, report = collapse_mask_channels(model)
    assert bool(report.changed) == shrinks
    assert shrinks or "2 mask channels are not proven identical" in report.refused[0][1]
    assert_same(model, collapsed)


@pytest.mark.parametrize(
    "masked",
    [
        lambda m: F.conv2d(F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1)[:, :1], ones(1, 3), padding=1),
        lambda m: F.conv2d(torch.cat([m, m, m.flip(3)], 1)[:, 1:], torch.ones(3, 2, 3, 3), padding=1),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1).chunk(3, dim=1)[1], ones(1, 3), padding=1),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1).clamp(0, 1).prod(1, keepdim=True),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1).clamp(0, 1).flip(1),
        lambda m: F.conv2d(m.repeat(1, 3, 1, 1), ones(3, 3), padding=1) * torch.arange(3.0).view(3, 1, 1),
    ],
)
def test_whatever_needs_a_wide_mask_it_is_computed_narrow(masked: Any) -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m) * masked(m)))
    collapsed, _ = collapse_mask_channels(model)
    assert_same(model, collapsed)
    path = analyse_mask_path(collapsed)
    for node in collapsed.graph:
        if node.op_type == "Conv" and node.outputs[0] in path.mask_only:
            assert node.inputs[0].shape[1] < 3


def test_a_wide_mask_that_widens_one_feature_stays_wide() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x)[:, :1] * F.conv2d(m, ones(1, 3), padding=1)))
    collapsed, _ = collapse_mask_channels(model)
    assert_same(model, collapsed)


def test_a_wide_updated_mask_keeps_its_shape() -> None:
    model = traced(dividing_trained_scale(), mask_channels=3)
    collapsed, _ = collapse_mask_channels(model)
    assert [run(each, inputs())[1].shape for each in (model, collapsed)] == [(1, 3, SIZE, SIZE)] * 2


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


def test_ranges_of_constants_that_are_not_folded() -> None:
    # ones_like of a large feature stays a node of its own.
    def wide(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        features = layer.conv(image * mask)
        known = torch.ones_like(features).masked_fill(mask == 0, 0.0)
        total = F.conv2d(known, torch.ones(1, 3, 3, 3), padding=1)
        return features / total.masked_fill(total == 0, 1.0)

    network = Layer(wide)
    profile = Profile((1, 1, 1), (512,) * 3, (512,) * 3)
    model = clean_up(trace(TensorNetwork(network, Interface()).eval(), profile).model)
    _, report = normalise_mask_ratio(model)
    assert len(report.changed) == 1


def test_batch_norm_folds_through_the_mask_ratio() -> None:
    model = traced(dividing_trained_scale(), mask_channels=3)
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


def test_division_by_the_mask_sum_is_rescaled() -> None:
    model = traced(dividing_trained_scale(), mask_channels=3)
    rescaled, report = normalise_mask_ratio(model)
    assert len(report.changed) == 6
    assert report.refused == []
    assert_same(model, rescaled)
    path = analyse_mask_path(rescaled)
    assert not any(n.op_type == "Div" and n.inputs[0] in path.image_dependent for n in rescaled.graph)


def test_a_numerator_that_cannot_be_rescaled_stays_single() -> None:
    def divided(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 9, 9), padding=4).clamp(min=1)
        return torch.tanh(torch.relu(layer.conv(image * mask)) / total)

    model = traced(Layer(divided))
    rescaled, report = normalise_mask_ratio(model)
    assert report.refused[0][1] == "what is multiplied by the ratio is no convolution"
    assert_same(model, rescaled)
    _, kept = convert_to_fp16(rescaled)
    assert [name.split()[0] for name, _ in kept.kept] == ["Relu"]


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


def test_a_ratio_masked_after_the_product_is_masked_before_it() -> None:
    def late(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return torch.sigmoid(layer.conv(image * mask) * (9 / (total + 1e-8)) * total.clamp(0, 1))

    half, report = half_of(Layer(late))
    assert report.clipped == []
    assert not any("not proven" in reason for _, reason in report.kept)
    feed = inputs() | {"mask": np.zeros((1, 1, SIZE, SIZE), dtype=np.float32)}
    assert StrictFp16(half).run(feed).first_non_finite is None


def test_a_ratio_that_is_masked_late_is_masked_at_once() -> None:
    def late(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return torch.sigmoid((layer.conv(image * mask) * (9 / (total + 1e-8)) + 1.5) * total.clamp(0, 1))

    assert_safe_in_half(Layer(late), kept=[])


def test_an_unbounded_ratio_keeps_its_products_single() -> None:
    def never(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        return torch.sigmoid(layer.conv(image * mask) * (9 / (total + 1e-8)) + 1.5)

    assert_safe_in_half(Layer(never), kept=["Mul", "Add"])


def assert_safe_in_half(network: nn.Module, kept: list[str]) -> None:
    """No NaN where nothing is known, and these nodes in FP32 because a ratio may leave the FP16 range."""
    half, report = half_of(network)
    assert [name.split()[0] for name, reason in report.kept if "not proven" in reason] == kept
    feed = inputs() | {"mask": np.zeros((1, 1, SIZE, SIZE), dtype=np.float32)}
    result = StrictFp16(half).run(feed)
    assert result.first_non_finite is None
    assert np.abs(result.outputs["output"] - run(traced(network), feed)[0]).max() < 2e-3


def test_features_that_become_integers_stay_single() -> None:
    _, report = half_of(Layer(lambda s, x, m: s.conv((x * 7.9).int().float() * m)))
    assert "it turns features into integers" in [reason for _, reason in report.kept]
    _, report = add_headroom(traced(Layer(lambda s, x, m: s.conv((x * 7.9).int().float() * m))), 0.5)
    assert "it turns features into integers" in report.refused[0][1]


def test_headroom_is_no_more_than_the_network_needs() -> None:
    assert scale_for(100.0) == 1.0
    assert scale_for(65504 / 64) == 1.0
    assert scale_for(2e5) == 2.0**-8
    assert scale_for(float("inf")) == scale_for(1e30) == 2.0**-12


def test_feature_peak_sees_what_one_known_pixel_does() -> None:
    model, _ = fold_batch_norm(traced(dividing_trained_scale((8, 12, 16)), mask_channels=3))
    peak = feature_peak(model, Interface(), (1, 3, SIZE, SIZE))
    everything = {name: np.ones(shape, dtype=np.float32) for name, shape in SHAPES.items()}
    assert peak > 5 * np.abs(run(model, everything)[0]).max()


def test_headroom_is_exact_and_covers_what_is_added() -> None:
    model = traced(dividing_trained_scale(), mask_channels=3)
    model, _ = normalise_mask_ratio(model)
    model, _ = fold_batch_norm(model)
    scaled, report = add_headroom(model, 2.0**-8)
    assert report.refused == []
    expected, found = run(model, inputs()), run(scaled, inputs())
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6, atol=1e-6)  # powers of two round nothing
    features = next(v for n in scaled.graph for v in n.outputs if v.name == "output_with_headroom")
    scaled.graph.outputs.append(features)
    np.testing.assert_allclose(run(scaled, inputs())[-1], expected[0] * 2.0**-8, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("treatment", "reason"),
    [
        (lambda s, x, m: torch.sigmoid(s.conv(x * m)), "Sigmoid is not homogeneous"),
        (lambda s, x, m: s.conv(x * m) * s.conv(x), "it combines two feature values"),
        (lambda s, x, m: s.conv(x * m) / (s.conv(x).abs() + 1), "Abs is not homogeneous"),
    ],
)
def test_headroom_refuses_what_is_not_homogeneous(treatment: Any, reason: str) -> None:
    model = traced(Layer(treatment))
    same, report = add_headroom(model, 2.0**-8)
    assert reason in report.refused[0][1]
    assert operators(same) == operators(model)


def half_of(network: nn.Module, mask_channels: int = 1, keep: tuple[str, ...] = ()) -> tuple[ir.Model, Any]:
    model = traced(network, mask_channels)
    for optimisation in (collapse_mask_channels, normalise_mask_ratio, fold_batch_norm):
        model, _ = optimisation(model)
    return convert_to_fp16(clean_up(model), keep)


@pytest.mark.parametrize(
    ("network", "mask_channels"),
    [(randomise(EpsilonNetwork()), 1), (dividing_trained_scale(), 3), (randomise(NoMaskPath()), 1)],
)
def test_half_precision_holds_on_the_whole_corpus(network: nn.Module, mask_channels: int) -> None:
    half, _ = half_of(network, mask_channels)
    strict, single = StrictFp16(half), traced(network, mask_channels)
    for case in mask_corpus(SIZE, SIZE):
        feed = inputs() | {"mask": (~case.hole[None, None]).astype(np.float32)}
        result = strict.run(feed)
        assert result.first_non_finite is None, f"{case.name}: {result.first_non_finite}"
        expected = run(single, feed)[0]
        error = np.linalg.norm(result.outputs["output"] - expected) / max(np.linalg.norm(expected), 1e-6)
        assert error < 5e-3, case.name  # a few roundings of 2^-11 for each of up to 6 layers


def test_without_the_fp32_mask_path_holes_are_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the pass protects from: with the mask path in FP16 as well, + 1e-8 is + 0 and holes divide 0 by 0.
    from inpaintrt.export.graph.analysis.mask_path import MaskPath
    from inpaintrt.export.graph.fp16 import convert as half_precision

    def everything_is_a_feature(model: ir.Model) -> MaskPath:
        path = analyse_mask_path(model)
        return MaskPath(frozenset(), path.image_dependent | path.mask_only, {})

    model = traced(randomise(EpsilonNetwork()))
    monkeypatch.setattr(half_precision, "analyse_mask_path", everything_is_a_feature)
    monkeypatch.setattr(half_precision, "SMALLEST", 0.0)
    half, _ = convert_to_fp16(model)
    feed = inputs() | {"mask": np.zeros((1, 1, SIZE, SIZE), dtype=np.float32)}
    assert StrictFp16(half).run(feed).first_non_finite is not None


def test_mask_path_stays_single_and_nearly_all_work_is_half() -> None:
    half, report = half_of(dividing_trained_scale(), 3)
    path = analyse_mask_path(half)
    for node in half.graph:
        if node.op_type in ("Conv", "Div", "Clip") and node.outputs[0] in path.mask_only:
            assert node.outputs[0].dtype == ir.DataType.FLOAT
    feature_convolutions = [n for n in half.graph if n.op_type == "Conv" and n.outputs[0] in path.image_dependent]
    assert {node.outputs[0].dtype for node in feature_convolutions} == {ir.DataType.FLOAT16}
    assert report.kept == []
    assert fp16_share(half, SHAPES) > 0.97


def test_a_bias_times_the_mask_is_half_like_the_features() -> None:
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

    half, report = half_of(Layer(unclamped, bias=False))
    assert len(report.clipped) == 1
    result = StrictFp16(half).run(inputs())
    assert result.first_non_finite is None


def test_constants_that_do_not_fit_are_found() -> None:
    _, report = half_of(Layer(lambda s, x, m: torch.sigmoid(s.conv(x * m) * 1e5)))
    assert any("reaches 100000" in reason for _, reason in report.kept)
    _, report = half_of(Layer(lambda s, x, m: torch.sigmoid(s.conv(x * m)) + 1e-8))
    assert any("1e-08 is too small" in reason for _, reason in report.kept)


def test_nodes_the_user_names_stay_single() -> None:
    _, report = half_of(randomise(NoMaskPath()), keep=("conv2d*",))
    assert report.kept == [("Conv conv2d", "--keep-fp32 conv2d*")]


def test_softmax_and_norms_stay_single() -> None:
    _, report = half_of(Layer(lambda s, x, m: torch.softmax(s.conv(x * m), dim=1)))
    assert [name.split()[0] for name, _ in report.kept] == ["Softmax"]


def test_multiply_adds_are_counted() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x * m)))
    assert multiply_adds(model, SHAPES) == {ir.DataType.FLOAT: 3 * 3 * 3 * 3 * SIZE * SIZE}


def test_passes_do_not_change_what_they_are_given() -> None:
    model = traced(dividing_trained_scale(), mask_channels=3)
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    for change in (clean_up, collapse_mask_channels, normalise_mask_ratio, fold_batch_norm, convert_to_fp16):
        change(model)
    add_headroom(model, 0.5)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_strict_evaluation_sees_overflow_that_onnxruntime_hides() -> None:
    model = traced(Layer(lambda s, x, m: torch.sigmoid((s.conv(x * m) * 6e4) * 1e-5)))
    half, _ = convert_to_fp16(model)
    assert np.isfinite(run(half, inputs())[0]).all()
    assert str(StrictFp16(half).run(inputs()).first_non_finite).startswith("Mul")

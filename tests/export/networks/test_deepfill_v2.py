"""Gated convolution, contextual attention and DeepFillv2 against independent implementations in their original form."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.networks.deepfill import attend, pad_same
from inpaintrt.export.networks import ContextualAttention, GatedConv2d, GatedDeconv2d
from inpaintrt.export.networks.contextual_attention import parts_for_sizes
from tests.export.networks.comparing import FP32, relative


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 4])
def test_gated_convolution_pads_as_tensorflow_does(stride: int, dilation: int) -> None:
    layer = GatedConv2d(4, 6, stride=stride, dilation=dilation, padding="same")
    x = torch.randn(2, 4, 24, 16)
    features, gates = F.conv2d(
        pad_same(x, 3, stride, dilation), layer.conv.weight, layer.conv.bias, stride, 0, dilation
    ).chunk(2, dim=1)
    assert torch.allclose(layer(x), F.elu(features) * gates.sigmoid(), atol=1e-6)


def test_gated_convolution_of_two_convolutions_with_a_norm_after_the_product() -> None:
    layer = GatedDeconv2d(4, 6, activation="leaky_relu", separate=True, batch_norm=True).eval()
    assert layer.conv.gate is not None
    assert isinstance(layer.conv.norm, nn.BatchNorm2d)
    layer.conv.norm.running_mean.normal_()
    x = torch.randn(2, 4, 8, 8)
    twice = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    product = F.leaky_relu(layer.conv.conv(twice), 0.2) * layer.conv.gate(twice).sigmoid()
    assert torch.allclose(layer(x), layer.conv.norm(product), atol=1e-6)


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize(("exclude", "count"), [(False, False), (True, True)])
@pytest.mark.parametrize("size", [(2, 2), (6, 16), (26, 34)])
def test_attention_is_that_of_convolutions_with_patches(
    fuse: bool, exclude: bool, count: bool, size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = 0.02 * torch.randn(3, 5, *size, generator=generator).relu()
    hole = (torch.rand(3, 1, 4 * size[0], 4 * size[1], generator=generator) > 0.995).float()
    hole[:, :, :8, :8] = 0  # not all patches are without one
    layer = ContextualAttention(fuse, invalid="excluded" if exclude else "zero", count_overlap=count)
    expected = attend(features, hole, fuse, corners=False, exclude=exclude, count=count)
    assert relative(layer(features, hole), expected) < FP32


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_attention_in_any_number_of_parts_is_the_same(parts: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = 0.02 * torch.randn(2, 5, 14, 12, generator=generator).relu()
    hole = torch.zeros(2, 1, 56, 48)
    hole[:, :, 10:30, 20:40] = 1
    assert relative(ContextualAttention(parts=parts)(features, hole), ContextualAttention()(features, hole)) < FP32


def test_large_images_are_attended_to_in_more_parts() -> None:
    features, hole = torch.randn(1, 2, 130, 128).relu(), torch.zeros(1, 1, 520, 512)
    assert torch.equal(ContextualAttention(parts=8)(features, hole), ContextualAttention()(features, hole))


@pytest.mark.parametrize(
    ("height", "width", "parts"),
    [
        ((256, 512), (256, 512), 1),
        ((256, 1024), (256, 1024), 8),
        ((16, 1024), (256, 1024), 2),  # the smallest image has two rows of places
    ],
)
def test_a_trace_for_many_sizes_takes_the_parts_of_the_largest(
    height: tuple[int, int], width: tuple[int, int], parts: int
) -> None:
    free, told = ContextualAttention(), ContextualAttention(parts=3)
    with pytest.raises(RuntimeError, match="while traced"), parts_for_sizes(nn.Sequential(free, told), height, width):
        assert (free.parts, told.parts) == (parts, 3)
        raise RuntimeError("while traced")
    assert (free.parts, told.parts) == (None, 3)


@pytest.mark.parametrize("count", [1, 2, 29, 32, 63])
def test_attention_resizes_as_tensorflow_does(count: int) -> None:
    features = 0.1 * torch.randn(1, 3, 2 * count, 6)
    hole = torch.zeros(1, 1, 8 * count, 24)
    hole[:, :, 3] = 1
    expected = attend(features, hole, fuse=False, corners=True, exclude=False, count=False)
    assert relative(ContextualAttention(fuse=False, resize="corners")(features, hole), expected) < FP32


def test_attention_without_a_valid_patch_is_finite() -> None:
    features = torch.randn(1, 4, 8, 8)
    hole = torch.ones(1, 1, 32, 32)
    assert torch.equal(ContextualAttention()(features, hole), torch.zeros_like(features))
    mean = ContextualAttention(invalid="excluded")(features, hole)
    assert mean.isfinite().all()
    assert mean.abs().max() > 0


def test_conventions_matter() -> None:
    """The tests above can fail: with another convention the same features give others."""
    generator = torch.Generator().manual_seed(0)
    features = 0.02 * torch.randn(1, 5, 12, 16, generator=generator).relu()  # small: the softmax must stay soft
    hole = torch.zeros(1, 1, 48, 64)
    hole[:, :, 10:30, 20:40] = 1
    right = ContextualAttention()(features, hole)
    for other in ({"fuse": False}, {"resize": "corners"}, {"invalid": "excluded"}, {"count_overlap": True}):
        assert relative(ContextualAttention(**other)(features, hole), right) > 1000 * FP32, other


def test_gradients_are_finite_where_there_are_no_features() -> None:
    features = torch.relu(torch.randn(1, 4, 16, 16)).requires_grad_()
    empty = torch.ones_like(features)
    empty[..., 2:12, 2:12] = 0
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:30, 20:30] = 1
    ContextualAttention()(features * empty, mask).square().sum().backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert features.grad.any()

"""The layer against its formula, written out with loops and nothing shared with the implementation."""

import numpy as np
import pytest
import torch

from benchmarks.networks.partial_conv import ChannelWideUNet, randomise
from inpaintrt.export.networks import PartialConv2d, PConvUNet


def by_the_formula(
    features: np.ndarray,
    mask: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: int,
    padding: int,
    dilation: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Liu et al. (ECCV 2018), equations 1 and 2, one window at a time; arrays [C,H,W]."""
    pad = ((0, 0), (padding, padding), (padding, padding))
    masked, padded = np.pad(features * mask, pad), np.pad(mask, pad)
    reach = dilation * (weight.shape[2] - 1) + 1
    rows = range(0, masked.shape[1] - reach + 1, stride)
    columns = range(0, masked.shape[2] - reach + 1, stride)
    output = np.zeros((len(weight), len(rows), len(columns)))
    updated = np.zeros((len(rows), len(columns)))
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            window = (slice(None), slice(top, top + reach, dilation), slice(left, left + reach, dilation))
            known = padded[window].sum()
            if known > 0:
                ratio = padded[window].size / known
                output[:, i, j] = (weight * masked[window]).sum(axis=(1, 2, 3)) * ratio + bias
                updated[i, j] = 1
    return output, updated


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(3, 1, 1, 1), (5, 2, 2, 1), (3, 1, 0, 1), (3, 1, 2, 2)]
)
def test_layer_follows_the_formula(kernel: int, stride: int, padding: int, dilation: int) -> None:
    torch.manual_seed(0)
    layer = PartialConv2d(3, 4, kernel, stride, padding, dilation)
    features = torch.randn(1, 3, 9, 11)
    mask = (torch.rand(1, 1, 9, 11) > 0.6).float()
    mask[..., :5, :6] = 0  # windows that know nothing
    with torch.no_grad():
        output, updated = layer(features, mask)
    channel_wide = np.repeat(mask.numpy()[0], 3, axis=0)
    expected, expected_mask = by_the_formula(
        features.numpy()[0], channel_wide, layer.conv.weight.detach().numpy(), layer.conv.bias.detach().numpy(),
        stride, padding, dilation,
    )  # fmt: skip
    np.testing.assert_allclose(output[0].numpy(), expected, rtol=1e-5, atol=1e-5)  # FP32 sums of 27 terms
    assert (updated[0, 0].numpy() == expected_mask).all()


def test_one_plane_stands_for_all_channels_of_its_part() -> None:
    torch.manual_seed(1)
    layer = PartialConv2d((3, 5), 4, 3, padding=1)
    parts = [torch.randn(2, channels, 8, 8) for channels in (3, 5)]
    planes = [(torch.rand(2, 1, 8, 8) > 0.5).float() for _ in parts]
    wide = [plane.expand(-1, part.shape[1], -1, -1) for part, plane in zip(parts, planes, strict=True)]
    with torch.no_grad():
        output, updated = layer(parts, planes)
        same, same_mask = layer(parts, wide)
    assert torch.equal(output, same)
    assert torch.equal(updated, same_mask)


def test_all_hole_gives_zero_and_no_nan() -> None:
    output, updated = PartialConv2d(3, 4, 3, padding=1)(torch.full((1, 3, 8, 8), 1e30), torch.zeros(1, 1, 8, 8))
    assert not output.any()
    assert not updated.any()


def test_autocast_counts_the_mask_exactly() -> None:
    # 7 * 7 * 33 = 1617 known values; bfloat16 would round that to 1616.
    layer = PartialConv2d(33, 1, 7, bias=False)
    with torch.no_grad():
        layer.conv.weight.fill_(1.0)
    features, mask = torch.ones(1, 33, 7, 7), torch.ones(1, 1, 7, 7)
    mask[..., 0, 0] = 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        known = layer._count_known([mask])
        layer(features, mask)
    assert known.item() == 48 * 33


def test_wrong_parts_are_refused_with_the_numbers() -> None:
    layer = PartialConv2d((3, 5), 4, 3)
    with pytest.raises(ValueError, match=r"over 2 part\(s\) was given 1 feature part"):
        layer(torch.zeros(1, 8, 4, 4), torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="expected 3 feature channels with 1 or 3 mask channels, got 2 and 1"):
        layer([torch.zeros(1, 2, 4, 4), torch.zeros(1, 5, 4, 4)], [torch.zeros(1, 1, 4, 4)] * 2)


def test_unet_has_the_papers_layers_by_default() -> None:
    network = PConvUNet()
    encoder = [block.conv.conv for block in network.encoder]
    assert [conv.kernel_size[0] for conv in encoder] == [7, 5, 5, 3, 3, 3, 3, 3]
    assert [conv.out_channels for conv in encoder] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [isinstance(block.norm, torch.nn.BatchNorm2d) for block in network.encoder] == [False, *[True] * 7]
    assert [isinstance(block.norm, torch.nn.BatchNorm2d) for block in network.decoder] == [*[True] * 7, False]
    assert network.decoder[-1].conv.in_channels == (64, 3)
    assert network.size_multiple == 256


def test_unet_trains_and_sees_nothing_of_the_holes() -> None:
    network = PConvUNet(widths=(4, 6))
    randomise(network)
    image = torch.rand(1, 3, 16, 16)
    mask = (torch.rand(1, 1, 16, 16) > 0.4).float()
    output, _ = network(image, mask)
    other, _ = network(torch.where(mask.bool(), image, torch.rand_like(image) * 100), mask)
    assert torch.equal(output, other)
    network.train()
    network(image, mask)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_foreign_network_differs_without_its_mask() -> None:
    # The networks the other tests compare with do depend on the mask.
    network = randomise(ChannelWideUNet())
    image = torch.rand(1, 3, 16, 16)
    full = torch.ones(1, 3, 16, 16)
    holes = full.clone()
    holes[..., 4:9, 4:9] = 0
    with torch.no_grad():
        assert not torch.allclose(network(image, full)[0], network(image, holes)[0])


def test_a_layer_of_stride_one_keeps_the_images_size() -> None:
    network = PConvUNet(widths=(4, 6, 8), strides=(1, 2, 2)).eval()
    assert network.size_multiple == 4
    sizes = []
    for block in (*network.encoder, *network.decoder):
        block.register_forward_hook(lambda _, __, outputs: sizes.append(outputs[0].shape[-1]))
    mask = torch.ones(1, 1, 16, 16)
    mask[..., 3:9, 4:12] = 0
    output, updated = network(torch.rand(1, 3, 16, 16), mask)
    assert sizes == [16, 8, 4, 8, 16, 16]
    assert output.shape == (1, 3, 16, 16)
    assert updated.min() == 1
    with pytest.raises(ValueError, match="as many kernels and strides"):
        PConvUNet(widths=(4, 6, 8), strides=(1, 2))

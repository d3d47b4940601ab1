"""Convolution in FP64 is PyTorch's own, whatever its arguments."""

import pytest
import torch

from inpaintrt.validation.cases.double_convolution import convolve, is_plain

Pair = tuple[int, int]


@pytest.mark.parametrize(
    ("groups", "taps", "stride", "padding", "dilation"),
    [
        (1, (3, 3), (1, 1), (1, 1), (1, 1)),
        (2, (5, 5), (2, 2), (2, 2), (1, 1)),
        (4, (3, 5), (2, 1), (1, 4), (1, 2)),
        (1, (4, 4), (3, 2), (0, 1), (2, 3)),
        (1, (1, 1), (2, 2), (0, 0), (1, 1)),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_pytorchs_own(
    groups: int, taps: Pair, stride: Pair, padding: Pair, dilation: Pair, bias: bool
) -> None:  # fmt: skip
    image = torch.randn(2, 4, 17, 22, dtype=torch.float64)
    weight = torch.randn(8, 4 // groups, *taps, dtype=torch.float64)
    shift = torch.randn(8, dtype=torch.float64) if bias else None
    expected = torch.nn.functional.conv2d(image, weight, shift, stride, padding, dilation, groups)
    found = convolve(image, weight, shift, stride, padding, dilation, groups)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=1e-13)


def test_what_is_no_plain_convolution_in_fp64_is_left_to_pytorch() -> None:
    image, weight = torch.zeros(1, 2, 4, 4, dtype=torch.float64), torch.zeros(2, 2, 3, 3, dtype=torch.float64)
    rest = (None, [1, 1], [1, 1], [1, 1])
    assert is_plain(image, weight, *rest, False, [0, 0], 1)
    assert not is_plain(image, weight, *rest, True, [0, 0], 1)
    assert not is_plain(image.float(), weight.float(), *rest, False, [0, 0], 1)
    assert not is_plain(image[0], weight, *rest, False, [0, 0], 1)

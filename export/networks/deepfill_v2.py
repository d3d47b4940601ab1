"""DeepFillV2: a coarse network of gated convolutions, and a refinement network with contextual attention.

Yu et al., "Free-Form Image Inpainting with Gated Convolution" (ICCV 2019), figure 3. Published implementations differ
in how they pad, resize and gate; `DeepFillV2` has an argument for each difference.
"""

from itertools import pairwise
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ..interface import Interface
from .contextual_attention import ContextualAttention
from .gated_conv import Activation, GatedConv2d, GatedDeconv2d, Padding

SIZE_MULTIPLE = 8
"""Three halvings: two in each network, one in the attention."""


class DeepFillV2(nn.Module):
    """Both stages of DeepFillv2.

    Args:
        width: channels after the first halving.
        refine_width: the same for the end of the refinement network; `width` if None.
        padding: how convolutions extend their input.
        gated_output: whether the layers that make the image have a gate.
        guided_refinement: whether the refinement network sees the guide and the mask as well.
        attention_activation: of the layer before the attention.
        attention: arguments of `ContextualAttention`.
    """

    def __init__(
        self,
        width: int = 48,
        refine_width: int | None = None,
        padding: Padding = "zeros",
        gated_output: bool = False,
        guided_refinement: bool = False,
        attention_activation: Activation = "relu",
        attention: dict[str, Any] | None = None,
    ):
        super().__init__()
        refine_width = width if refine_width is None else refine_width
        _check_arguments(width, refine_width, padding, attention_activation)
        self.arguments: dict[str, Any] = {
            "width": width, "refine_width": refine_width, "padding": padding, "gated_output": gated_output,
            "guided_refinement": guided_refinement, "attention_activation": attention_activation,
            "attention": dict(attention or {}),
        }  # fmt: skip
        self.size_multiple = SIZE_MULTIPLE
        self.guided_refinement = guided_refinement
        half, double = width // 2, 2 * width
        self.coarse = nn.Sequential(
            *_encoder((5, half, width, width, double, double, double), padding),
            *_dilated(double, padding),
            *_decoder(double, width, padding, gated_output),
        )
        refine_channels = 5 if guided_refinement else 3
        self.hallucinate = nn.Sequential(
            *_encoder((refine_channels, half, half, width, width, double, double), padding),
            *_dilated(double, padding),
        )
        self.attend = nn.Sequential(
            *_encoder((refine_channels, half, half, width, double, double, double), padding, attention_activation)
        )
        self.attention = ContextualAttention(**(attention or {}))
        self.attended = nn.Sequential(*(GatedConv2d(double, double, padding=padding) for _ in range(2)))
        self.refine = nn.Sequential(*_decoder(2 * double, refine_width, padding, gated_output))

    def forward(self, image: Tensor, mask: Tensor, sketch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Fill the holes of an image.

        Args:
            image: [N,3,H,W] in -1..1, 0 in holes; H and W multiples of 8.
            mask: [N,1,H,W], 1 = hole.
            sketch: the guide [N,1,H,W], 1 = line, for networks that were trained with one; ones if None. Networks are
                trained with lines only in the holes, which `--io image` sees to.

        Returns:
            The images [N,3,H,W] of the refinement and of the coarse network, known pixels predicted as well.
        """
        guide = torch.ones_like(mask) if sketch is None else sketch
        coarse = torch.tanh(self.coarse(torch.cat([image, guide, mask], dim=1)))
        pasted = coarse * mask + image * (1 - mask)
        seen = torch.cat([pasted, guide, mask], dim=1) if self.guided_refinement else pasted
        attended = self.attended(self.attention(self.attend(seen), mask))
        return torch.tanh(self.refine(torch.cat([self.hallucinate(seen), attended], dim=1))), coarse

    def interface(self) -> Interface:
        """The network's `Interface`."""
        return Interface(image_range=(-1.0, 1.0), mask_polarity="hole", size_multiple=self.size_multiple)


def _check_arguments(width: int, refine_width: int, padding: str, activation: str) -> None:
    for name, value, known in (
        ("padding", padding, get_args(Padding)), ("attention_activation", activation, get_args(Activation)),
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")
    for name, channels in (("width", width), ("refine_width", refine_width)):
        if not isinstance(channels, int) or channels < 4:
            raise ValueError(f"{name} is {channels!r}; expected a whole number of at least 4")


def _encoder(channels: tuple[int, ...], padding: Padding, last: Activation = "elu") -> list[nn.Module]:
    """Six layers that divide the size by 4; `channels` before the first and after each."""
    layers = []
    for index, (before, after) in enumerate(pairwise(channels)):
        kernel = 5 if index == 0 else 3
        stride = 2 if index in (1, 3) else 1
        layers.append(
            GatedConv2d(before, after, kernel, stride, activation=last if index == 5 else "elu", padding=padding)
        )
    return list(layers)


def _dilated(channels: int, padding: Padding) -> list[nn.Module]:
    return [GatedConv2d(channels, channels, dilation=2**power, padding=padding) for power in range(1, 5)]


def _decoder(channels: int, width: int, padding: Padding, gated_output: bool) -> list[nn.Module]:
    """Seven layers that multiply the size by 4 and end in an image, before its tanh."""
    return [
        GatedConv2d(channels, 2 * width, padding=padding),
        GatedConv2d(2 * width, 2 * width, padding=padding),
        GatedDeconv2d(2 * width, width, padding=padding),
        GatedConv2d(width, width, padding=padding),
        GatedDeconv2d(width, width // 2, padding=padding),
        GatedConv2d(width // 2, width // 4, padding=padding),
        GatedConv2d(width // 4, 3, activation="none", padding=padding, gated=gated_output),
    ]

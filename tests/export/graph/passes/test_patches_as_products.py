"""Convolutions with patches for weights become products, whoever cut the patches out; the rest stays, with reasons."""

from collections.abc import Callable

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.graph.passes.patches_as_products import patches_as_products
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from tests.export.graph.graphs import SIZE, assert_same, fp16_of, operators, traced


def unfolded(x: Tensor, side: int, stride: int, margin: int) -> Tensor:
    return F.unfold(x, side, padding=margin, stride=stride).transpose(1, 2).reshape(len(x), -1, x.shape[1], side, side)


def windowed(x: Tensor, side: int, stride: int, margin: int) -> Tensor:
    windows = F.pad(x, [margin] * 4).permute(0, 2, 3, 1).unfold(1, side, stride).unfold(2, side, stride)
    return windows.contiguous().view(len(x), -1, x.shape[1], side, side)


CUTS: dict[str, Callable[[Tensor, int, int, int], Tensor]] = {"unfold": unfolded, "strided views": windowed}


class Attending(nn.Module):
    """Contextual attention by convolutions, an image at a time."""

    def __init__(self, cut: str = "unfold", fuse: bool = True, flat_norm: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(4, 6, 3, 2, 1), nn.ConvTranspose2d(6, 3, 2, 2)
        self.cut, self.fuse, self.flat_norm = CUTS[cut], fuse, flat_norm

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = self.first(torch.cat([image, mask], 1))
        half = F.interpolate(features, scale_factor=0.5)
        keys, values = self.cut(half, 3, 1, 1), self.cut(features, 4, 2, 1)
        hole = F.interpolate(1 - mask, half.shape[2:])
        known = (self.cut(hole, 3, 1, 1).mean((2, 3, 4)) == 0).float()[:, :, None, None]
        filled = [self.attend(half[i : i + 1], keys[i], values[i], known[i : i + 1]) for i in range(len(image))]
        return self.last(torch.cat(filled))

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, known: Tensor) -> Tensor:
        places, channels = keys.shape[:2]
        rows, columns = x.shape[2:]
        if self.flat_norm:
            flat = keys.reshape(places, -1)
            keys = (flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-4)).view(places, channels, 3, 3)
        else:
            keys = keys / (keys.square() + 1e-4).sum(1, keepdim=True).sum(2, keepdim=True).sum(3, keepdim=True).sqrt()
        scores = F.conv2d(x, keys, padding=1)
        if self.fuse:
            for _ in range(2):
                scores = F.conv2d(scores.reshape(1, 1, places, places), torch.eye(3)[None, None], padding=1)
                scores = scores.view(rows, columns, rows, columns).permute(1, 0, 3, 2)
        weights = torch.softmax(10 * scores.reshape(1, places, rows, columns) * known, 1) * known
        return F.conv_transpose2d(weights, values, stride=2, padding=1) / 4


def computed_weights(model: ir.Model) -> list[ir.Node]:
    return [n for n in model.graph if n.op_type in ("Conv", "ConvTranspose") and n.inputs[1].const_value is None]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("network", "batch"),
    [
        (Attending(), 1),
        (Attending(fuse=False), 2),
        (Attending("strided views"), 1),
        (Attending(fuse=False, flat_norm=True), 1),
    ],
    ids=["unfold", "two images", "strided views", "norms of rows"],
)
def test_attention_by_convolutions_becomes_products(network: Attending, batch: int) -> None:
    model = traced(network, batch=batch)
    assert len(computed_weights(model)) == 2 * batch
    found, report = patches_as_products(model)
    assert not report.refused
    assert not computed_weights(found)
    assert operators(found)["MatMul"] == 2 * batch
    if network.fuse:
        assert len([name for name in report.changed if name.startswith("Conv ")]) == 3 * batch
    if batch == 1:
        assert_same(model, found)


def test_the_scores_stay_fp32_and_the_pasting_does_not() -> None:
    model, report = fp16_of(Attending())
    assert any("softmax" in reason for _, reason in report.kept)
    assert model.graph


class Computed(nn.Module):
    """Convolutions with weights that are computed in other ways."""

    def __init__(self, treatment: Callable[[Tensor], Tensor]):
        super().__init__()
        self.treatment = treatment

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.treatment(image * mask)


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "kernels of a mean": (
        lambda x: F.conv2d(x, x[:, :, :3, :3].mean(0, keepdim=True).repeat(3, 1, 1, 1), padding=1),
        "not patches of one feature map",
    ),
    "patches in another order": (
        lambda x: F.conv2d(x, unfolded(x, 3, 1, 1)[0].flip(0), padding=1)[:, :3],
        "not patches of one feature map",
    ),
    "strides": (
        lambda x: F.interpolate(F.conv2d(x, unfolded(x, 3, 1, 1)[0], stride=2, padding=1)[:, :3], x.shape[2:]),
        "strides",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_computed_weights_stay_and_the_reason_is_given(name: str) -> None:
    treatment, reason = REFUSED[name]
    model = traced(Computed(treatment))
    found, report = patches_as_products(model)
    assert [reason in why for _, why in report.refused] == [True]
    assert operators(found)["Conv"] == operators(model)["Conv"]


def test_free_sizes_stay_and_the_reason_is_given() -> None:
    adapter = TensorNetwork(Attending(fuse=False).eval(), Interface(size_multiple=8)).eval()
    model = trace(adapter, Profile((1, 1, 1), (SIZE, SIZE, 2 * SIZE), (SIZE, SIZE, 2 * SIZE))).model
    _, report = patches_as_products(model)
    assert {reason for _, reason in report.refused} == {"its weights are computed, and its sizes are free"}

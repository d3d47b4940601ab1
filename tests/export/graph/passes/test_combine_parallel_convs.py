"""The passes that gated networks brought: exact where they apply, and silent where they must not."""

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.passes.combine_parallel_convs import combine_parallel_convs
from inpaintrt.export.networks import GatedConv2d
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.test_graph_passes import assert_same, inputs, operators, traced


class Gated(nn.Module):
    """A gated convolution of the masked image, in either form."""

    def __init__(self, separate: bool):
        super().__init__()
        self.first = GatedConv2d(4, 8, separate=separate, batch_norm=separate)
        self.last = GatedConv2d(8, 3, separate=separate, activation="leaky_relu")

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.last(self.first(torch.cat([image, mask], dim=1)))


def test_features_and_gate_become_one_convolution() -> None:
    model = traced(randomise(Gated(separate=True)))
    assert operators(model)["Conv"] == 4
    merged, report = combine_parallel_convs(model)
    assert operators(merged)["Conv"] == 2
    assert len(report.changed) == 2
    assert_same(model, merged)


class Branches(nn.Module):
    """Two gated branches over one input, a third of another stride and a fourth of another window."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([GatedConv2d(3, 4), GatedConv2d(3, 6), GatedConv2d(3, 4, kernel_size=5)])
        self.plain = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.apart = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.last = nn.Conv2d(18, 3, 1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = image * mask
        small = self.apart(features).mean(dim=(2, 3), keepdim=True)
        return self.last(torch.cat([*(branch(features) for branch in self.branches), self.plain(features) + small], 1))


def test_branches_over_one_input_share_a_convolution_and_one_split() -> None:
    model = traced(randomise(Branches()))
    merged, _ = combine_parallel_convs(model)
    assert operators(model)["Conv"] - operators(merged)["Conv"] == 2  # two gated ones and the plain one are one now
    splits = [node for node in merged.graph if node.op_type == "Split"]
    assert sorted(len(node.outputs) for node in splits) == [2, 5]
    assert_same(model, merged)


class Sliced(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        twice = image[:, :, 2:-2][:, :, :, 1:-3]
        same_axis = image[:, :, 2:][:, :, :-2][..., :28]
        return torch.nn.functional.pad(twice + same_axis, (2, 2, 2, 2)) * mask


def test_slices_along_different_axes_become_one() -> None:
    model = traced(Sliced())
    slices = [node for node in model.graph if node.op_type == "Slice"]
    axes = sorted(np.asarray(node.inputs[3].const_value.numpy()).tolist() for node in slices)  # type: ignore[union-attr]
    assert axes == [[2], [2, 3], [2, 3]]
    network = Sliced()
    feed = {name: torch.from_numpy(value) for name, value in inputs().items()}
    session = StrictFp16(convert_to_fp16(model)[0])
    assert np.allclose(session.run(inputs()).outputs["output"], network(**feed).numpy(), atol=1e-2)


class Attention(nn.Module):
    """Self-attention between all places of features of a given scale."""

    def __init__(self, scale: float, normalise: str):
        super().__init__()
        self.query, self.key = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1)
        self.scale = scale
        self.normalise = normalise

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        small = torch.nn.functional.avg_pool2d(image * mask, 4)
        query, key = (self.scale * layer(small).flatten(2) for layer in (self.query, self.key))
        if self.normalise == "hand":
            query, key = (v / v.pow(2).sum(1, keepdim=True).sqrt().clamp(min=1e-4) for v in (query, key))
        elif self.normalise == "library":
            query, key = (torch.nn.functional.normalize(v, dim=1) for v in (query, key))
        elif self.normalise == "longest":
            query, key = (v / v.square().sum(1).sqrt().amax(1)[:, None, None].clamp(min=1e-4) for v in (query, key))
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)
        filled = (small.flatten(2) @ weights.transpose(1, 2)).reshape(small.shape)
        return torch.nn.functional.interpolate(filled, scale_factor=4.0)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("normalise", ["", "hand", "library", "longest"])
def test_scores_and_norms_of_any_network_stay_single(scale: float, normalise: str) -> None:
    model = traced(randomise(Attention(scale, normalise)))
    half, report = convert_to_fp16(model)
    softmax = next(node for node in half.graph if node.op_type == "Softmax")
    assert softmax.inputs[0] is not None
    assert softmax.inputs[0].dtype == ir.DataType.FLOAT
    scores, pasted = (node.outputs[0].dtype for node in half.graph if node.op_type == "MatMul")
    # A product of vectors that are divided by their norms fits FP16, whatever the features are.
    assert scores == (ir.DataType.FLOAT16 if normalise else ir.DataType.FLOAT)
    assert pasted == ir.DataType.FLOAT16
    for node in half.graph:
        if node.op_type in ("ReduceSum", "ReduceL2", "Sqrt", "Pow"):
            assert node.outputs[0].dtype == ir.DataType.FLOAT
    assert {node.outputs[0].dtype for node in half.graph if node.op_type == "Conv"} == {ir.DataType.FLOAT16}
    result = StrictFp16(half).run(inputs())
    assert result.first_non_finite is None
    assert len({reason for _, reason in report.kept}) >= 1


def test_a_product_of_vectors_divided_by_other_norms_stays_single() -> None:
    class Crossed(Attention):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            small = torch.nn.functional.avg_pool2d(image * mask, 4)
            query, key = self.query(small).flatten(2), self.key(small).flatten(2)
            query, key = query / key.norm(dim=1, keepdim=True), key / query.norm(dim=1, keepdim=True)
            weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)
            return torch.nn.functional.interpolate((small.flatten(2) @ weights).reshape(small.shape), scale_factor=4.0)

    half, _ = convert_to_fp16(traced(randomise(Crossed(1.0, ""))))
    assert next(node for node in half.graph if node.op_type == "MatMul").outputs[0].dtype == ir.DataType.FLOAT

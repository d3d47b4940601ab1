"""Scores of a softmax and norms are found in any network."""

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.fp16.fp32_nodes import BETWEEN, NORM, SCORES, fp32_nodes, is_normalised
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.graphs import (
    SIZE,
    Layer,
    fp16_of,
    inputs,
    traced,
)


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
def test_scores_and_norms_of_any_network_stay_fp32(scale: float, normalise: str) -> None:
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


def test_a_product_of_vectors_divided_by_other_norms_stays_fp32() -> None:
    class Crossed(Attention):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            small = torch.nn.functional.avg_pool2d(image * mask, 4)
            query, key = self.query(small).flatten(2), self.key(small).flatten(2)
            query, key = query / key.norm(dim=1, keepdim=True), key / query.norm(dim=1, keepdim=True)
            weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)
            return torch.nn.functional.interpolate((small.flatten(2) @ weights).reshape(small.shape), scale_factor=4.0)

    half, _ = convert_to_fp16(traced(randomise(Crossed(1.0, ""))))
    assert next(node for node in half.graph if node.op_type == "MatMul").outputs[0].dtype == ir.DataType.FLOAT


def test_each_node_is_found_with_its_reason() -> None:
    model = traced(randomise(Attention(1.0, "")))
    found = {node.op_type: reason for node, reason in fp32_nodes(model.graph, analyse_mask_path(model)).items()}
    assert found["Softmax"] == found["MatMul"] == SCORES
    assert not {"Conv", "AveragePool"} & set(found)
    model = traced(Layer(lambda s, x, m: s.conv(x) / s.conv(x).square().sum(1, keepdim=True).sqrt().clamp(min=1)))
    found = {node.op_type: reason for node, reason in fp32_nodes(model.graph, analyse_mask_path(model)).items()}
    assert {"ReduceSum", "Sqrt", "Div"} <= set(found)
    assert set(found.values()) == {NORM}


def test_what_moves_values_between_kept_nodes_is_kept() -> None:
    def moved(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        weights = torch.softmax(layer.conv(image).flatten(2), dim=2)
        return image * weights.reshape(1, 3, SIZE, SIZE).mean(1, keepdim=True)

    model = traced(Layer(moved))
    reasons = fp32_nodes(model.graph, analyse_mask_path(model))
    (softmax,) = [node for node in model.graph if node.op_type == "Softmax"]
    (use,) = softmax.outputs[0].uses()
    assert use.node.op_type == "Reshape"
    assert reasons[use.node] == BETWEEN


def test_vectors_divided_by_their_own_norms_are_known_to_be_small() -> None:
    model = traced(Layer(lambda s, x, m: F.normalize(s.conv(x), dim=1).transpose(2, 3)))
    assert is_normalised(model.graph.outputs[0])
    model = traced(Layer(lambda s, x, m: s.conv(x) / x.norm(dim=1, keepdim=True)))
    assert not is_normalised(model.graph.outputs[0])


def test_softmax_and_norms_stay_fp32() -> None:
    _, report = fp16_of(Layer(lambda s, x, m: torch.softmax(s.conv(x * m), dim=1)))
    assert [name.split()[0] for name, _ in report.kept] == ["Softmax"]

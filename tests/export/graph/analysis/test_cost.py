"""What a graph costs: what a reader is told is what is in the graph."""

from pathlib import Path

import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.export import Interface
from inpaintrt.export.exporter import export_source
from inpaintrt.export.graph.analysis.cost import measure_cost
from inpaintrt.export.options import ExportOptions
from inpaintrt.export.source import from_module
from inpaintrt.runtime.bundle import Profile
from tests.export.graph.graphs import (
    SHAPES,
    Layer,
    traced,
    wide_trace,
)


def test_costs_are_counted() -> None:
    cost = measure_cost(traced(Layer(lambda s, x, m: torch.relu(s.conv(x * m)) * F.max_pool2d(m, 3, 1, 1))), SHAPES)
    assert cost.feature_multiply_adds == 32 * 32 * 3 * 27
    assert cost.mask_multiply_adds == 0
    assert cost.parameters == 81 + 3
    assert cost.nodes == 5
    feature, plane = 32 * 32 * 3 * 4, 32 * 32 * 4
    assert cost.peak_activations == 2 * feature + plane  # the last product, its operands not yet freed


def test_costs_before_and_after(tmp_path: Path) -> None:
    interface = Interface(mask_channels=3, size_multiple=8)
    options = ExportOptions(Profile((1, 1, 1), (32,) * 3, (32,) * 3), "tensor")
    bundle, report = export_source(from_module(dividing_trained_scale(), interface), tmp_path, options)
    plain, single, half = (report.costs[name] for name in ("plain", "fp32", "fp16"))
    assert plain.mask_multiply_adds == plain.feature_multiply_adds  # as many channels of mask as of features
    assert single.feature_multiply_adds < 0.8 * plain.feature_multiply_adds
    assert single.mask_multiply_adds < 0.1 * plain.mask_multiply_adds
    assert single.parameters < 0.6 * plain.parameters
    assert half.peak_activations < single.peak_activations < plain.peak_activations
    assert [single.bytes, half.bytes] == [bundle.onnx(precision).bytes for precision in ("fp32", "fp16")]


def test_the_size_of_a_file_is_counted_without_writing_it() -> None:

    model = wide_trace()
    size = len(ir.to_proto(model).SerializeToString())
    assert abs(measure_cost(model, SHAPES).bytes - size) < 0.02 * size


def test_what_nobody_can_count_is_marked() -> None:
    class Transformed(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return torch.fft.fft(image * mask, dim=1).real

    cost = measure_cost(traced(Transformed()), SHAPES)
    assert cost.uncounted == 1
    assert cost.feature_multiply_adds == 0

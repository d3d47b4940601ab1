"""`--explain` and the cost report: what a reader is told is what is in the graph."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export import Interface
from inpaintrt.export.exporter import export_source
from inpaintrt.export.graph.analysis.cost import measure_cost
from inpaintrt.export.models import make_models
from inpaintrt.export.options import ExportOptions
from inpaintrt.export.report import ExportReport
from inpaintrt.export.source import from_module
from inpaintrt.runtime.bundle import Profile
from tests.commands import FOREIGN, refused, run
from tests.export import formulations as f
from tests.export.graph.graphs import SHAPES, Layer, traced


def explained(network: nn.Module, mask_channels: int = 1) -> ExportReport:
    interface = Interface(mask_channels=mask_channels, size_multiple=8)
    options = ExportOptions(Profile((1, 1, 1), (32,) * 3, (32,) * 3), "tensor", explain=True)
    return make_models(from_module(network, interface), options)[1]


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (f.RatioThenClamp, "((z + b - b) * (1 / (s + 1e-08) * 9 * clip(s, 0, 1)) + b) * clip(s, 0, 1)"),
        (f.MaskedFill, "where(s == 0, 0, (z + b - b) / where(s == 0, 1, s) + b)"),
        (f.WhereZero, "where(s == 0, 0, z * 9 / where(s == 0, 1, s) + b)"),
        (f.PowerOfMinusOne, "(z * 9 * (s + 1e-05) ** -1 + b) * min(s, 1)"),
    ],
)
def test_a_layer_is_shown_as_it_was_found(layer: type[nn.Module], formula: str) -> None:
    last = explained(randomise(f.ThreeLayers(layer))).layers[-1]
    assert (last.layer, last.form, last.known, last.times) == ("layers.2.conv", "partial", "0..9", 1)
    assert last.window == "3x3, 8 to 3"
    assert last.precision == "fp16"
    # what is written here binds as tightly as there, and no tighter
    assert last.formula == formula


def test_masks_as_wide_as_features_are_told_with_their_planes() -> None:
    layers = explained(dividing_trained_scale(), mask_channels=3).layers
    assert [layer.form for layer in layers] == ["partial"] * 6
    assert layers[0].mask == "3, carried as 1"
    assert layers[-1].mask == "11, carried as 2"
    assert layers[-1].known == "0..99"
    assert "ratio scaled to 1 where all is known, by 99" in layers[-1].done
    assert "upsampling folded, 4 taps of 9" in layers[-1].done
    assert "batch norm folded" in layers[1].done


def test_layers_that_run_several_times_are_one_row() -> None:
    layers = explained(randomise(f.Recurrent())).layers
    assert {layer.layer: layer.times for layer in layers} == {"entrance.conv": 1, "layer.conv": 3, "exit": 1}
    assert [layer.form for layer in layers if layer.layer == "exit"] == ["ordinary"]


def test_masked_and_ordinary_convolutions_are_told_apart() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.masked, self.ordinary = nn.Conv2d(3, 4, 3, 2, 1, groups=1), nn.Conv2d(4, 3, 3, padding=2, dilation=2)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return F.interpolate(self.ordinary(torch.relu(self.masked(image * mask))), size=image.shape[2:])

    layers = explained(randomise(Mixed())).layers
    assert [(layer.layer, layer.form, layer.formula) for layer in layers] == [
        ("masked", "masked", ""), ("ordinary", "ordinary", ""),
    ]  # fmt: skip
    assert [layer.window for layer in layers] == ["3x3, 3 to 4, stride 2", "3x3, 4 to 3, dilation 2"]


def test_what_stays_single_is_told() -> None:
    interface = Interface(size_multiple=8)
    options = ExportOptions(Profile((1, 1, 1), (32,) * 3, (32,) * 3), "tensor", explain=True, keep_fp32=("conv2d_3*",))
    report = make_models(from_module(randomise(f.ThreeLayers(f.RatioThenClamp)), interface), options)[1]
    assert [layer.precision for layer in report.layers] == ["fp16", "fp32", "fp16"]


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
    import onnx_ir as ir

    model = traced(dividing_trained_scale(), mask_channels=3)
    size = len(ir.to_proto(model).SerializeToString())
    assert abs(measure_cost(model, SHAPES).bytes - size) < 0.02 * size


def test_the_command(tmp_path: Path) -> None:
    network = ("--network", f"{FOREIGN}:dividing_trained_scale", "--mask-channels", 3, "--size-multiple", 8)
    shown = run("export-onnx", *network, "-o", tmp_path / "wide", "--size", 32, "--explain").stderr
    assert "6 partial, 0 masked but not renormalised, 0 ordinary convolutions" in shown
    assert "dec_1.conv.input_conv" in shown
    assert "multiply-adds of masks" in shown
    assert "leave out --no-optimize" in refused(
        "export-onnx", *network, "-o", tmp_path / "plain", "--explain", "--no-optimize", "--precision", "fp32"
    )


def test_a_network_without_a_mask_path_is_told_so() -> None:
    report = explained(randomise(NoMaskPath()))
    assert [layer.form for layer in report.layers] == ["ordinary"]
    assert report.mask_path_values <= 1

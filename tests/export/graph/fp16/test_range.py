"""Features that became too large in probes stay FP32 one by one, and the others do not."""

import numpy as np
import torch
from torch import Tensor, nn

from inpaintrt.export.graph.fp16.convert import RANGE_MARGIN, convert_to_fp16
from inpaintrt.export.graph.fp16.feature_peak import feature_peaks
from inpaintrt.export.interface import Interface
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.graphs import SHAPES, inputs, traced


class Swelling(nn.Module):
    """Features grow between two gates, which are not homogeneous, so that headroom cannot help."""

    def __init__(self, growth: float):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.inner, self.wider, self.last = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(4))
        for layer in (self.inner, self.wider):
            layer.weight.data.mul_(growth)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = torch.sigmoid(self.first(image * mask))
        return self.last(torch.tanh(self.wider(self.inner(features))))


def test_what_swells_stays_fp32_and_is_named() -> None:
    model = traced(Swelling(1e3))
    peaks = feature_peaks(model, Interface(), SHAPES["image"])
    swollen = {name for name, peak in peaks.values.items() if peak > 65504 / RANGE_MARGIN}
    assert swollen
    assert max(peaks.values[name] for name in swollen) == peaks.largest
    half, report = convert_to_fp16(model, peaks=peaks.values)
    kept = [reason for _, reason in report.kept]
    assert all(any(name in reason for name in swollen) for reason in kept)
    assert any("in probes" in reason for reason in kept)
    types = [str(node.outputs[0].dtype) for node in half.graph if node.op_type == "Conv"]
    assert "FLOAT16" in types  # those before and after
    given = {"image": 3 * inputs()["image"], "mask": inputs()["mask"]}
    assert StrictFp16(half).run(given).first_non_finite is None
    careless, _ = convert_to_fp16(model)
    assert StrictFp16(careless).run(given).first_non_finite is not None  # so the test would have seen it


def test_ordinary_features_are_all_fp16() -> None:
    model = traced(Swelling(1))
    peaks = feature_peaks(model, Interface(), SHAPES["image"])
    assert 0 < peaks.largest < 100
    _, report = convert_to_fp16(model, peaks=peaks.values)
    assert report.kept == []


def test_what_is_no_larger_than_its_operand_has_its_peak() -> None:
    class Moved(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return torch.relu(image * mask * 7).flip(3)

    peaks = feature_peaks(traced(Moved()), Interface(), SHAPES["image"])
    assert np.isclose(max(peaks.values.values()), 7, rtol=1e-2)
    assert len(set(peaks.values.values())) <= 2

"""Which Resize repeats every place."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.nearest_upsampling import nearest_factors
from tests.export.graph.graphs import (
    Layer,
    traced,
)


@pytest.mark.parametrize(
    ("upsample", "factors"),
    [
        (lambda x: F.interpolate(x, scale_factor=2), (2, 2)),
        (lambda x: F.interpolate(x, scale_factor=(1, 3)), (1, 3)),
        (lambda x: F.interpolate(x, size=(64, 128)), (2, 4)),
        (lambda x: F.interpolate(x, size=(48, 64)), None),
        (lambda x: F.interpolate(x, scale_factor=0.5), None),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), None),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), None),
    ],
)
def test_what_repeats_every_place(upsample: Any, factors: tuple[int, int] | None) -> None:
    model = traced(Layer(lambda s, x, m: F.interpolate(upsample(torch.relu(x)), size=x.shape[2:])))
    first = next(node for node in model.graph if node.op_type == "Resize")
    assert nearest_factors(first) == factors

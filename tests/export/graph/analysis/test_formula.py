"""A layer as the reader of `--explain` sees it."""

from typing import Any

import pytest
import torch

from inpaintrt.export.graph.analysis.formula import formula_of
from tests.export.graph.graphs import (
    Layer,
    traced,
)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (lambda z, m: z * m, "z * s"),
        (lambda z, m: z * (m * 2 + 1), "z * (s * 2 + 1)"),
        (lambda z, m: (z - 1) / (m + 1), "(z - 1) / (s + 1)"),
        (lambda z, m: torch.where(m > 0, z, 0.0), "where(s > 0, z, 0)"),
    ],
)
def test_what_is_written_binds_as_tightly_as_in_the_graph(layer: Any, formula: str) -> None:
    model = traced(Layer(lambda s, x, m: layer(s.conv(x), m), bias=False))
    mask = next(value for value in model.graph.inputs if value.name == "mask")
    conv = next(node for node in model.graph if node.op_type == "Conv")
    assert formula_of(model.graph.outputs[0], conv, mask) == formula

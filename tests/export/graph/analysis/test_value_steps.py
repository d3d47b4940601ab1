"""Of which number all elements of a value are multiples."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.graph.analysis.value_steps import constant_step
from tests.export.graph.graphs import (
    Layer,
    traced,
)


@pytest.mark.parametrize(
    ("numbers", "step"),
    [
        ([0.0, 1.0, 1.0], 1.0),
        ([4.0, 6.0], 2.0),
        ([1 / 9, 2 / 9, 1.0], 1 / 9),
        ([0.0], math.inf),
        ([1.0, math.pi], None),
        ([1.0, math.nan], None),
        ([1e-9, 1.0], None),
    ],
)
def test_step_of_a_constant(numbers: list[float], step: float | None) -> None:
    assert constant_step(np.array(numbers, dtype=np.float32)) == (None if step is None else pytest.approx(step))


@pytest.mark.parametrize(
    ("masked", "values"),
    [
        (lambda m: F.conv2d(m, torch.full((1, 1, 3, 3), 1 / 9), padding=1), 10),
        (lambda m: F.conv2d(m, 2 * torch.ones(1, 1, 3, 3), padding=1), 10),
        (lambda m: F.max_pool2d(m, 3, 1, 1) + m, 3),
        (lambda m: F.interpolate(F.conv2d(m, torch.ones(1, 1, 2, 2), stride=2), scale_factor=2.0), 5),
    ],
)
def test_sums_and_means_of_a_mask_have_few_values(masked: Any, values: int) -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x) * torch.exp(masked(m))))
    path = analyse_mask_path(model)
    source = next(node.inputs[0] for node in model.graph if node.op_type == "Exp")
    assert len(path.tables[source].values) == values
    assert path.tables[source].complete

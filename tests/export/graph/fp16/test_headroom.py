"""Features scaled down by a power of two, exactly undone at the end, or not at all."""

from typing import Any

import numpy as np
import pytest
import torch

from inpaintrt.export.graph.fp16.headroom import add_headroom, scale_for
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from tests.export.graph.graphs import (
    Layer,
    inputs,
    operators,
    run,
    traced,
    wide_trace,
)


def test_headroom_is_no_more_than_the_network_needs() -> None:
    assert scale_for(100.0) == 1.0
    assert scale_for(65504 / 64) == 1.0
    assert scale_for(2e5) == 2.0**-8
    assert scale_for(float("inf")) == scale_for(1e30) == 2.0**-12


def test_headroom_is_exact_and_covers_what_is_added() -> None:
    model = wide_trace()
    model, _ = normalise_mask_ratio(model)
    model, _ = fold_batch_norm(model)
    scaled, report = add_headroom(model, 2.0**-8)
    assert report.refused == []
    expected, found = run(model, inputs()), run(scaled, inputs())
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6, atol=1e-6)  # powers of two round nothing
    features = next(v for n in scaled.graph for v in n.outputs if v.name == "output_with_headroom")
    scaled.graph.outputs.append(features)
    np.testing.assert_allclose(run(scaled, inputs())[-1], expected[0] * 2.0**-8, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("treatment", "reason"),
    [
        (lambda s, x, m: torch.sigmoid(s.conv(x * m)), "Sigmoid is not homogeneous"),
        (lambda s, x, m: s.conv(x * m) * s.conv(x), "it combines two feature values"),
        (lambda s, x, m: s.conv(x * m) / (s.conv(x).abs() + 1), "Abs is not homogeneous"),
    ],
)
def test_headroom_refuses_what_is_not_homogeneous(treatment: Any, reason: str) -> None:
    model = traced(Layer(treatment))
    same, report = add_headroom(model, 2.0**-8)
    assert reason in report.refused[0][1]
    assert operators(same) == operators(model)


def test_headroom_refuses_features_that_become_integers() -> None:
    _, report = add_headroom(traced(Layer(lambda s, x, m: s.conv((x * 7.9).int().float() * m))), 0.5)
    assert "it turns features into integers" in report.refused[0][1]

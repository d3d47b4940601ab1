"""The largest feature, probed with the masks that magnify most."""

import numpy as np
import torch

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.export import Interface
from inpaintrt.export.graph.fp16.feature_peak import feature_peaks
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from tests.export.graph.graphs import (
    SHAPES,
    SIZE,
    Layer,
    run,
    traced,
)


def test_feature_peak_sees_what_one_known_pixel_does() -> None:
    model, _ = fold_batch_norm(traced(dividing_trained_scale((8, 12, 16)), mask_channels=3))
    peak = feature_peaks(model, Interface(), (1, 3, SIZE, SIZE)).largest
    everything = {name: np.ones(shape, dtype=np.float32) for name, shape in SHAPES.items()}
    assert peak > 5 * np.abs(run(model, everything)[0]).max()


def test_a_feature_that_is_not_finite_is_infinite() -> None:
    model = traced(Layer(lambda s, x, m: torch.exp(s.conv(x) * 1e4)))
    assert feature_peaks(model, Interface(), (1, 3, SIZE, SIZE)).largest == np.inf


def test_nodes_that_stay_fp32_anyway_do_not_count() -> None:
    model = traced(Layer(lambda s, x, m: torch.softmax(s.conv(x).flatten(2) * 1e6, dim=2).reshape(x.shape)))
    assert feature_peaks(model, Interface(), (1, 3, SIZE, SIZE)).largest < 1e3

"""What depends on the mask and on no image value, and what it can be."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.networks.partial_conv import EpsilonNetwork
from inpaintrt.export import Interface
from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path, find_divisor, value_where_all_is_known
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from tests.export.graph.graphs import (
    Layer,
    traced,
)


def test_mask_path_is_found_in_a_network_of_another_author() -> None:
    model = traced(EpsilonNetwork(holes=True))
    path = analyse_mask_path(model)
    mask_convolutions = [n for n in model.graph if n.op_type == "Conv" and n.outputs[0] in path.mask_only]
    assert len(mask_convolutions) == 3
    assert [path.ranges[node.outputs[0]] for node in mask_convolutions] == [(0, 25), (0, 9), (0, 9)]
    updated = next(value for value in model.graph.outputs if value.name == "updated_mask")
    assert path.ranges[updated] == (0, 1)
    assert not path.mask_only & path.image_dependent


def test_shapes_of_features_do_not_make_a_mask_an_image_value() -> None:
    def ones_like(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        features = layer.conv(image * mask)
        return features * torch.ones_like(features).masked_fill(mask == 0, 0.0)

    path = analyse_mask_path(traced(Layer(ones_like)))
    assert len(path.mask_only) > 1


def test_ranges_of_constants_that_are_not_folded() -> None:
    # ones_like of a large feature stays a node of its own.
    def wide(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        features = layer.conv(image * mask)
        known = torch.ones_like(features).masked_fill(mask == 0, 0.0)
        total = F.conv2d(known, torch.ones(1, 3, 3, 3), padding=1)
        return features / total.masked_fill(total == 0, 1.0)

    network = Layer(wide)
    profile = Profile((1, 1, 1), (512,) * 3, (512,) * 3)
    model = clean_up(trace(TensorNetwork(network, Interface()).eval(), profile).model)
    _, report = normalise_mask_ratio(model)
    assert len(report.changed) == 1


def test_a_ratio_has_a_value_for_every_sum() -> None:
    model = traced(Layer(lambda s, x, m: s.conv(x) * (9 / (F.conv2d(m, torch.ones(1, 1, 3, 3), padding=1) + 1))))
    path = analyse_mask_path(model)
    ratio = next(value for value in model.graph.outputs[0].producer().inputs if value in path.mask_only)
    np.testing.assert_allclose(path.tables[ratio].values, 9 / (np.arange(10) + 1), rtol=1e-6)
    assert path.tables[ratio].complete
    divisor = find_divisor(ratio, path)
    assert divisor is not None
    assert value_where_all_is_known(ratio, divisor, path) == pytest.approx(0.9, rel=1e-6)

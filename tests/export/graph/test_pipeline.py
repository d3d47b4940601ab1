"""The passes one after the other."""

import numpy as np
import onnx_ir as ir
import pytest
import torch

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.export import Interface
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.fp16.headroom import add_headroom
from inpaintrt.export.graph.passes.collapse_mask_channels import collapse_mask_channels
from inpaintrt.export.graph.passes.combine_mask_factors import combine_mask_factors
from inpaintrt.export.graph.passes.fix_mask import fix_mask
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.fold_upsampling import fold_upsampling
from inpaintrt.export.graph.passes.image_io import add_image_io
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.export.graph.pipeline import OPTIMISATIONS, SHAPING_FOR_CPUS, fold, optimise, to_fp16
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from tests.export.graph.graphs import (
    SIZE,
    assert_same,
    inputs,
    operators,
    run,
    wide_trace,
)

STATIC = Profile((1, 1, 1), (SIZE,) * 3, (SIZE,) * 3)


@pytest.mark.slow
def test_numbers_that_were_given_a_shape_broadcast() -> None:
    # Large or dynamic shapes are not folded: zeros_like(features) stays an expansion to the shape of the features.
    network = dividing_trained_scale()
    interface = Interface(mask_channels=3, size_multiple=8)
    profile = Profile((1, 2, 2), (32, 64, 64), (32, 64, 64))
    model = clean_up(trace(TensorNetwork(network, interface).eval(), profile).model)
    assert "Shape" not in operators(model)
    for optimisation in (collapse_mask_channels, normalise_mask_ratio, fold_batch_norm):
        model, report = optimisation(model)
        assert report.refused == []
    assert operators(clean_up(model))["Conv"] == 12
    feed = inputs()
    with torch.no_grad():
        expected = TensorNetwork(network, interface)(*(torch.from_numpy(feed[name]) for name in ("image", "mask")))
    found = run(clean_up(model), feed)
    assert np.linalg.norm(found[0] - expected[0].numpy()) < 1e-5 * np.linalg.norm(expected[0].numpy())
    assert (found[1] == expected[1].numpy()).all()


def test_passes_do_not_change_what_they_are_given() -> None:
    model = wide_trace()
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    for change in (clean_up, *OPTIMISATIONS, *SHAPING_FOR_CPUS, fold_upsampling, combine_mask_factors, convert_to_fp16):
        change(model)
    add_headroom(model, 0.5)
    add_image_io(model, Interface(mask_channels=3))
    fix_mask(model, np.ones((1, 1, SIZE, SIZE), np.float32), 1)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_optimising_keeps_the_trace_as_it_was_written() -> None:
    raw = trace(TensorNetwork(dividing_trained_scale(), Interface(mask_channels=3)).eval(), STATIC).model
    optimised = optimise(raw)
    assert [report.name for report in optimised.passes] == [each.__name__ for each in OPTIMISATIONS]
    assert operators(optimised.cleaned)["BatchNormalization"] == 4
    assert operators(optimised.model)["BatchNormalization"] == 0
    assert_same(optimised.cleaned, optimised.model)


def test_the_same_network_gives_the_same_files() -> None:
    # Engines are kept when an export gives the model again that they were built from.
    interface, shapes = Interface(mask_channels=3), dict.fromkeys(("image", "mask"), (1, 3, SIZE, SIZE))
    network = TensorNetwork(dividing_trained_scale(), interface).eval()
    files = set()
    for _ in range(3):
        half, _ = fold(optimise(trace(network, STATIC).model).model, "fp16", shapes)
        files.add(ir.to_proto(to_fp16(half, interface, shapes).model).SerializeToString(deterministic=True))
    assert len(files) == 1

"""Every formulation of partial convolution: exact, safe in FP16 on the whole corpus, and an engine that builds."""

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks.partial_conv import EpsilonNetwork, dividing_trained_scale, randomise
from inpaintrt.engines.build import build_engine
from inpaintrt.export import Interface
from inpaintrt.export.graph.analysis.mask_path import analyse_mask_path
from inpaintrt.export.models import make_models
from inpaintrt.export.options import ExportOptions
from inpaintrt.export.report import ExportReport
from inpaintrt.export.source import from_module
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.runtime.bundle import DeployedInterface, Profile
from inpaintrt.runtime.errors import NetworkError
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.masks import mask_corpus
from tests.export.graph import formulation_networks as networks, formulations as f

HEIGHT, WIDTH = 32, 48
Make = Callable[[], nn.Module]


def replicated(*sizes: int, **options: Any) -> nn.Module:
    return f.PaddedAround(*sizes, mode="replicate", **options)


LAYERS: dict[str, type[nn.Module]] = {
    "ratio, then clamp": f.RatioThenClamp,
    "a larger epsilon": f.LargerEpsilon,
    "ones as a parameter": f.OnesParameter,
    "ones as a buffer": f.OnesBuffer,
    "ones made in forward": f.OnesInForward,
    "cached between calls": f.Cached,
    "average pooling": f.AveragePooled,
    "masked_fill": f.MaskedFill,
    "where": f.WhereZero,
    "division times the window": f.DividesWithWindow,
    "nan_to_num": f.NanToNum,
    "reciprocal": f.Reciprocal,
    "power of -1": f.PowerOfMinusOne,
    "boolean mask": f.BoolMask,
    "indexed assignment": f.IndexedAssignment,
    "counted in FP64": f.MaskInDouble,
    "carried in FP16": f.MaskInHalf,
    "counted in integers": f.MaskInIntegers,
    "detached": f.Detached,
    "three channels, as wide as features": f.ThreeChannels,
    "sum of channels": f.SumsChannelsFirst,
    "mean of channels": f.MeanOfChannels,
    "counted by unfolding": f.Unfolded,
    "updated by max pooling": f.MaxPooledUpdate,
    "masked by the caller": f.MaskedByCaller,
    "padded by reflection": f.PaddedAround,
}
WIDE = (f.ThreeChannels, f.SumsChannelsFirst, f.MeanOfChannels)

NETWORKS: dict[str, tuple[Make, int]] = {
    **{
        name: (lambda layer=layer: networks.ThreeLayers(layer), 3 if layer in WIDE else 1)  # type: ignore[misc]
        for name, layer in LAYERS.items()
    },
    "padded by its edge": (lambda: networks.ThreeLayers(replicated), 1),
    "mask of holes": (lambda: networks.ThreeLayers(f.RatioThenClamp, holes=True), 1),
    "batch norm before the activation": (lambda: networks.ThreeLayers(f.WhereZero, norm="before"), 1),
    "dilation": (lambda: networks.ThreeLayers(f.MaskedFill, dilation=2, padding=2), 1),
    "no bias": (lambda: networks.ThreeLayers(f.RatioThenClamp, bias=False), 1),
    "depthwise": (lambda: networks.ThreeLayers(f.RatioThenClamp, groups=8), 1),
    "depthwise, as wide as features": (lambda: networks.ThreeLayers(f.ThreeChannels, groups=8), 3),
    "grouped, joined skip masks": (lambda: networks.SkippingUNet(f.ThreeChannels), 3),
    "sums over joined skip masks": (lambda: networks.SkippingUNet(f.SumsChannelsFirst), 3),
    "larger of both masks": (lambda: networks.SkippingUNet(f.RatioThenClamp, "larger"), 1),
    "skip masks dropped": (lambda: networks.SkippingUNet(f.MaskedFill, "dropped"), 1),
    "first layers only": (networks.FirstLayersOnly, 1),
    "partial padding": (networks.PartialPadding, 1),
    "recurrent": (networks.Recurrent, 1),
    "reference form": (EpsilonNetwork, 1),
    "whole U-Net, as wide as features": (dividing_trained_scale, 3),
}

UNSAFE = {"nan_to_num"}
"""Formulations that divide 0 by 0 on purpose, which only FP32 can do; correct, but not FP16."""


CORPUS = mask_corpus(HEIGHT, WIDTH)
STATIC = Profile((len(CORPUS),) * 3, (HEIGHT,) * 3, (WIDTH,) * 3)
"""The whole corpus at once, each image with a mask of its own: each node is evaluated once."""

DYNAMIC = Profile((1, 2, 3), (16, HEIGHT, 64), (16, WIDTH, 64))


@functools.cache
def exported_as(name: str, profile: Profile = STATIC) -> tuple[dict[str, ir.Model], ExportReport, TensorNetwork]:
    """A network of `NETWORKS`, exported once for all tests of a process; nothing changes the models."""
    make, mask_channels = NETWORKS[name]
    torch.manual_seed(0)
    return exported(randomise(make()), mask_channels, profile)


def exported(
    network: nn.Module, mask_channels: int, profile: Profile = STATIC
) -> tuple[dict[str, ir.Model], ExportReport, TensorNetwork]:
    interface = Interface(mask_channels=mask_channels, premask=False, size_multiple=8)
    models, report = make_models(from_module(network, interface), ExportOptions(profile, "tensor"))
    return dict(models), report, TensorNetwork(network, interface).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_formulation(name: str) -> None:
    check(name, STATIC)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ones made in forward", "larger of both masks", "partial padding"])
def test_formulation_of_any_size(name: str) -> None:
    check(name, DYNAMIC)


def check(name: str, profile: Profile) -> None:
    models, report, network = exported_as(name, profile)
    session = onnxruntime.InferenceSession(ir.to_proto(models["fp32"]).SerializeToString())
    strict = StrictFp16(models["fp16"])
    known = torch.from_numpy(~np.stack([case.hole[None] for case in CORPUS])).float()
    images = torch.randn(len(CORPUS), 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    masks = 1 - known if "holes" in name else known
    wanted, found, rounded = [], [], []
    for image, mask in zip(images.split(profile.batch[2]), masks.split(profile.batch[2]), strict=True):
        with torch.no_grad():
            wanted.append([output.numpy() for output in network(image, mask)])
        feed = {"image": image.numpy(), "mask": mask.numpy()}
        found.append(session.run(None, feed))
        result = strict.run(feed)
        assert result.first_non_finite is None
        rounded.append([result.outputs["output"]])
    expected, *updated = map(np.concatenate, zip(*wanted, strict=True))
    fp32, *fp32_masks = map(np.concatenate, zip(*found, strict=True))
    (fp16,) = map(np.concatenate, zip(*rounded, strict=True))
    assert len(fp32_masks) == len(updated)
    for number, case in enumerate(CORPUS):
        pair = [
            number,
            (7 * number + 3) % len(CORPUS),
        ]  # one that knows nothing has no scale of its own
        scale = max(float(np.linalg.norm(expected[pair])), 1e-6)
        # FP32, in another order of operations
        assert np.linalg.norm(fp32[pair] - expected[pair]) / scale < 1e-5, case.name
        assert all((a[number] == b[number]).all() for a, b in zip(fp32_masks, updated, strict=True)), case.name
        assert np.linalg.norm(fp16[pair] - expected[pair]) / scale < 1e-2, case.name
    assert report.fp16 is not None
    kept = [node for node, reason in report.fp16.kept if "sums or powers" not in reason]
    assert bool(kept) == (name in UNSAFE), kept
    assert_engine_builds(models["fp16"], profile)


def assert_engine_builds(model: ir.Model, profile: Profile) -> None:
    """TensorRT-RTX knows every operator and takes every type."""
    if find_spec("tensorrt_rtx") is not None:
        content = ir.to_proto(model).SerializeToString()
        interface = DeployedInterface("tensor", 8, profile, ("image", "mask"), ("output",))
        axes = interface.input_shapes("batch", "height", "width")
        shapes = {name: tuple(map(str, each)) for name, each in axes.items()}
        assert build_engine("tensorrt-rtx", content, "sm89", profile, shapes, lambda _: None)


@pytest.mark.parametrize("name", [name for name, (_, channels) in NETWORKS.items() if channels == 3])
def test_masks_as_wide_as_features_are_carried_once(name: str) -> None:
    models, _, _ = exported_as(name)
    path = analyse_mask_path(models["fp32"])
    widest = max(
        node.inputs[0].shape[1]
        for node in models["fp32"].graph
        if node.op_type == "Conv" and node.outputs[0] in path.mask_only
    )
    assert widest <= 2  # one plane for the features from below and one for the skip


def test_padding_without_a_mask_follows_the_size() -> None:
    models, _, reference = exported_as("partial padding", DYNAMIC)
    session = onnxruntime.InferenceSession(ir.to_proto(models["fp32"]).SerializeToString())
    for height, width in ((16, 64), (64, 16), (48, 48)):
        image, mask = torch.randn(1, 3, height, width), torch.ones(1, 1, height, width)
        with torch.no_grad():
            expected = reference(image, mask)[0].numpy()
        (found,) = session.run(["output"], {"image": image.numpy(), "mask": mask.numpy()})
        assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-5


def test_a_network_that_fixes_its_batch_size_is_refused() -> None:
    class Fixed(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return image * mask if image.shape[0] == 2 else image

    with pytest.raises(NetworkError, match="fixes the batch size to that of its first call"):
        exported(Fixed(), 1, DYNAMIC)

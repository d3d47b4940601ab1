"""`export_onnx`: exact graphs, sizes, and networks of other authors."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from benchmarks.networks.partial_conv import EpsilonNetwork, NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.runtime import Bundle
from tests.conftest import random_image
from tests.export.networks.comparing import relative, run_bundle, tensors


def test_the_papers_operators_alone(shared_bundle: Bundle) -> None:
    model = onnx.load_from_string(shared_bundle.file(shared_bundle.onnx("fp32")))
    found = {node.op_type for node in model.graph.node}
    around = {"Cast", "Clip", "Constant", "Round", "Sub", "Transpose", "Unsqueeze", "Where"}  # of --io image
    assert found - around == {
        "Add", "AveragePool", "Conv", "ConvTranspose", "Div", "LeakyRelu", "Max", "Mul", "Relu", "Resize",
    }  # fmt: skip


def test_tensor_io_equals_pytorch(network: PConvUNet, tmp_path: Path) -> None:
    bundle = export_onnx(network, tmp_path, interface=network.interface(), size=(64, 64), io="tensor", batch=2)
    image, mask = tensors(64, 2)
    with torch.no_grad():
        expected, expected_mask = network(image, mask)
    output, updated = run_bundle(bundle, "fp32", image.numpy(), mask.numpy())
    assert relative(output, expected) < 1e-5
    assert (updated == expected_mask.numpy()).all()
    half, half_mask = run_bundle(bundle, "fp16", image.numpy(), mask.numpy())
    assert half.dtype == np.float32
    assert 0 < relative(half, expected) < 1e-2
    assert (half_mask == expected_mask.numpy()).all()


@pytest.mark.parametrize(("height", "width", "batch"), [(32, 96, 1), (64, 64, 3), (96, 40, 2)])
def test_dynamic_sizes_and_batches(
    dynamic_bundle: Bundle, network: PConvUNet, height: int, width: int, batch: int
) -> None:
    pairs = [random_image(height, width, seed) for seed in range(batch)]
    image, hole = (np.stack(part) for part in zip(*pairs, strict=True))
    reference = ImageNetwork(TensorNetwork(network, network.interface(image_range=(-1.0, 1.0))))
    with torch.no_grad():
        expected = reference(torch.from_numpy(image), torch.from_numpy(hole.astype(np.uint8))).numpy()
    found = run_bundle(dynamic_bundle, "fp32", image, hole.astype(np.uint8))[0]
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("best", [32, 64])
def test_dynamic_sizes_may_be_one_unit(tmp_path: Path, best: int) -> None:
    network = PConvUNet(widths=(4, 4, 4, 4, 4))
    network.eval()
    bundle = export_onnx(network, tmp_path, interface=network.interface(), dynamic=(32, best, 64), precisions=("fp32",))
    for size in (32, 64):
        image, hole = random_image(size, size)
        assert run_bundle(bundle, "fp32", image[None], hole[None].astype(np.uint8))[0].shape == (1, size, size, 3)


@pytest.mark.parametrize(
    ("make", "interface"),
    [
        (lambda: randomise(EpsilonNetwork()), Interface()),
        (lambda: randomise(EpsilonNetwork(holes=True)), Interface(mask_polarity="hole")),
        (dividing_trained_scale, Interface(mask_channels=3, size_multiple=8)),
        (lambda: randomise(NoMaskPath()), Interface()),
    ],
)
def test_networks_of_other_authors(tmp_path: Path, make: Any, interface: Interface) -> None:
    network = make()
    bundle = export_onnx(network, tmp_path, interface=interface, size=(32, 32), io="tensor")
    image, mask = tensors(32)
    with torch.no_grad():
        outputs = TensorNetwork(network, interface)(image, mask)
    found = run_bundle(bundle, "fp32", image.numpy(), mask.numpy())
    assert relative(found[0], outputs[0]) < 1e-5
    assert len(found) == len(outputs)
    for updated, expected in zip(found[1:], outputs[1:], strict=True):
        assert (updated == expected.numpy()).all()


def test_the_plain_trace_is_there_to_compare(network: PConvUNet, tmp_path: Path) -> None:
    bundle = export_onnx(
        network,
        tmp_path,
        interface=network.interface(),
        size=(32, 32),
        io="tensor",
        precisions=("fp32",),
        optimize=False,
    )
    model = onnx.load_from_string(bundle.file(bundle.onnx("fp32")))
    assert "BatchNormalization" in {node.op_type for node in model.graph.node}


def test_modes_of_the_network_are_given_back(tmp_path: Path) -> None:
    network = PConvUNet(widths=(4, 6))
    network.train()
    network.encoder[1].norm.eval()
    before = {name: module.training for name, module in network.named_modules()}
    export_onnx(network, tmp_path, interface=network.interface(), size=(16, 16), precisions=("fp32",))
    assert {name: module.training for name, module in network.named_modules()} == before
    assert True in before.values()
    assert False in before.values()


def test_a_network_that_overflows_is_exported_and_says_so(tmp_path: Path) -> None:
    network = PConvUNet(widths=(4, 6))
    randomise(network)
    with torch.no_grad():
        for block in network.encoder:
            block.conv.conv.weight.mul_(1e30)
    bundle = export_onnx(network, tmp_path, interface=network.interface(), size=(16, 16))
    assert Bundle.open(tmp_path) == bundle
    assert bundle.onnx("fp16").details["largest_probed_feature"] == "infinite"

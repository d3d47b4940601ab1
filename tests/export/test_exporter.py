"""`export_onnx`: exact graphs, sizes, interfaces, and networks of other authors."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.partial_conv import EpsilonNetwork, NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.errors import BundleError, NetworkError, UsageError
from tests.conftest import random_picture


def run(bundle: Bundle, precision: str, image: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(bundle.file(bundle.onnx(precision)), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image, "mask": mask})


def tensors(size: int, batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 3, size, size, generator=generator)
    return image, (torch.rand(batch, 1, size, size, generator=generator) > 0.4).float()


def relative_error(found: np.ndarray, expected: Tensor) -> float:
    return float(np.linalg.norm(found - expected.numpy()) / np.linalg.norm(expected.numpy()))


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
    output, updated = run(bundle, "fp32", image.numpy(), mask.numpy())
    assert relative_error(output, expected) < 1e-5
    assert (updated == expected_mask.numpy()).all()
    half, half_mask = run(bundle, "fp16", image.numpy(), mask.numpy())
    assert half.dtype == np.float32
    assert 0 < relative_error(half, expected) < 1e-2
    assert (half_mask == expected_mask.numpy()).all()


@pytest.mark.parametrize(("height", "width", "batch"), [(32, 96, 1), (64, 64, 3), (96, 40, 2)])
def test_dynamic_sizes_and_batches(
    dynamic_bundle: Bundle, network: PConvUNet, height: int, width: int, batch: int
) -> None:
    pairs = [random_picture(height, width, seed) for seed in range(batch)]
    image, hole = (np.stack(part) for part in zip(*pairs, strict=True))
    reference = ImageNetwork(TensorNetwork(network, network.interface(image_range=(-1.0, 1.0))))
    with torch.no_grad():
        expected = reference(torch.from_numpy(image), torch.from_numpy(hole.astype(np.uint8))).numpy()
    found = run(dynamic_bundle, "fp32", image, hole.astype(np.uint8))[0]
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("best", [32, 64])
def test_dynamic_sizes_may_be_one_unit(tmp_path: Path, best: int) -> None:
    network = PConvUNet(widths=(4, 4, 4, 4, 4))
    network.eval()
    bundle = export_onnx(network, tmp_path, interface=network.interface(), dynamic=(32, best, 64), precisions=("fp32",))
    for size in (32, 64):
        image, hole = random_picture(size, size)
        assert run(bundle, "fp32", image[None], hole[None].astype(np.uint8))[0].shape == (1, size, size, 3)


INTERFACES = {
    "0..1": Interface(),
    "-1..1": Interface(image_range=(-1.0, 1.0)),
    "mean and std": Interface(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
    "holes": Interface(mask_polarity="hole"),
    "three mask channels": Interface(mask_channels=3),
    "fill": Interface(fill=0.5),
    "not premasked": Interface(premask=False),
    "own output range": Interface(image_range=(0.0, 1.0), output_range=(-1.0, 1.0)),
}


class TellsWhatItSees(nn.Module):
    """Every entry of the interface changes its picture."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        around = F.avg_pool2d(mask, 3, 1, 1).sum(dim=1, keepdim=True)
        return torch.tanh(F.avg_pool2d(image, 3, 1, 1) * 0.7 + around * 0.1)


@pytest.mark.parametrize("name", INTERFACES)
def test_every_interface_is_inside_the_graph(tmp_path: Path, name: str) -> None:
    interface = INTERFACES[name]
    bundle = export_onnx(TellsWhatItSees(), tmp_path, interface=interface, size=(16, 24))
    image, hole = random_picture(16, 24)
    with torch.no_grad():
        expected = ImageNetwork(TensorNetwork(TellsWhatItSees(), interface))(
            torch.from_numpy(image)[None], torch.from_numpy(hole.astype(np.uint8))[None]
        )
    found = run(bundle, "fp32", image[None], hole[None].astype(np.uint8))[0]
    assert (found[0][~hole] == image[~hole]).all()
    assert np.abs(found.astype(int) - expected.numpy()).max() <= 1
    others = [other for key, other in INTERFACES.items() if key != name]
    differing = 0
    for other in others:
        with torch.no_grad():
            wrong = ImageNetwork(TensorNetwork(TellsWhatItSees(), other))(
                torch.from_numpy(image)[None], torch.from_numpy(hole.astype(np.uint8))[None]
            )
        differing += int(np.abs(found.astype(int) - wrong.numpy()).max() > 1)
    assert differing == len(others)


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
    found = run(bundle, "fp32", image.numpy(), mask.numpy())
    assert relative_error(found[0], outputs[0]) < 1e-5
    assert len(found) == len(outputs)
    for updated, expected in zip(found[1:], outputs[1:], strict=True):
        assert (updated == expected.numpy()).all()


class Returns(nn.Module):
    """Returns whatever the test says."""

    def __init__(self, returned: Any):
        super().__init__()
        self.returned = returned
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, image: Tensor, mask: Tensor) -> Any:
        return self.returned(self.conv(image * mask), image, mask)


@pytest.mark.parametrize(
    ("returned", "index", "has_mask"),
    [
        (lambda y, x, m: (y, m), 0, True),
        (lambda y, x, m: (y, y), 0, False),
        (lambda y, x, m: {"picture": y, "mask": m * 1.0}, 0, True),
        (lambda y, x, m: (m * 0.5, [y]), 1, True),
        (lambda y, x, m: (x, y), 0, False),
        (lambda y, x, m: (y, y.mean()), 0, False),
    ],
)
def test_whatever_a_network_returns(tmp_path: Path, returned: Any, index: int, has_mask: bool) -> None:
    network = Returns(returned)
    bundle = export_onnx(network, tmp_path, interface=Interface(output_index=index), size=(16, 16), io="tensor")
    assert bundle.interface.outputs == (("output", "updated_mask") if has_mask else ("output",))
    image, mask = tensors(16)
    with torch.no_grad():
        expected = TensorNetwork(network, Interface(output_index=index))(image, mask)
    assert relative_error(run(bundle, "fp32", image.numpy(), mask.numpy())[0], expected[0]) < 1e-5
    if has_mask:
        recorded = bundle.interface.updated_mask_output
        assert recorded is not None
        assert (run(bundle, "fp32", image.numpy(), mask.numpy())[1] == expected[recorded].numpy()).all()


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


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": (60, 64)}, "height 60 is no multiple of 8, which this network needs; use 56 or 64"),
        ({"size": (64, 4)}, "width 4 is no multiple of 8, which this network needs; use 8"),
        ({"dynamic": (64, 32, 96)}, "height 64,32,96: expected 1 <= smallest <= best <= largest"),
        ({"batch": 0}, "batch 0,0,0"),
        ({"io": "Image"}, "io is image or tensor, not 'Image'"),
        ({"precisions": ("int8",)}, "--precision is fp32, fp16"),
        ({"optimize": False}, "the FP16 graph needs the passes"),
    ],
)
def test_options_that_do_not_fit_are_refused(network: PConvUNet, tmp_path: Path, options: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        export_onnx(network, tmp_path / "b", interface=network.interface(), **options)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (lambda y, x, m: y[:, :1], r"has shape \(1, 1, 16, 16\), expected \(1, 3, 16, 16\)"),
        (lambda y, x, m: "nothing", "returns a str"),
        (lambda y, x, m: y @ torch.zeros(3, 3), "cannot be called with image"),
        (lambda y, x, m: y if y.sum() > 0 else -y, "PyTorch cannot export the network"),
    ],
)
def test_networks_that_cannot_be_exported_are_named(tmp_path: Path, returned: Any, reason: str) -> None:
    with pytest.raises(NetworkError, match=reason):
        export_onnx(Returns(returned), tmp_path / "b", size=(16, 16))
    assert not (tmp_path / "b").exists()


def test_a_network_that_overflows_is_exported_and_says_so(tmp_path: Path) -> None:
    network = PConvUNet(widths=(4, 6))
    randomise(network)
    with torch.no_grad():
        for block in network.encoder:
            block.conv.conv.weight.mul_(1e30)
    bundle = export_onnx(network, tmp_path, interface=network.interface(), size=(16, 16))
    assert Bundle.open(tmp_path) == bundle
    assert bundle.onnx("fp16").details["largest_probed_feature"] == "infinite"


def test_a_directory_with_other_files_is_left_alone(network: PConvUNet, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="holds other files and is no bundle"):
        export_onnx(network, tmp_path, interface=network.interface(), size=(16, 16))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"mask_polarity": "both"}, "mask_polarity is 'valid' or 'hole'"),
        ({"mask_channels": 2}, "mask_channels is 1 or 3"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std belong together"),
        ({"mean": (0.0,) * 3, "std": (0.0, 1.0, 1.0)}, "std must be positive"),
        ({"image_range": (1.0, 0.0)}, "LOW < HIGH"),
        ({"image_range": (0.0,)}, "image_range is 2 finite numbers"),
        ({"image_range": (-float("inf"), 1.0)}, "image_range is 2 finite numbers"),
        ({"mean": (float("nan"), 0.0, 0.0), "std": (1.0, 1.0, 1.0)}, "mean is 3 finite numbers"),
        ({"fill": "x"}, "fill is 1 finite number"),
        ({"premask": 1}, "premask is true or false"),
        ({"size_multiple": 1.5}, "size_multiple is a whole number"),
        ({"size_multiple": 0}, "size_multiple is a whole number of at least 1"),
        ({"output_index": -1}, "output_index is a whole number of at least 0"),
    ],
)
def test_contradicting_interfaces_are_refused(values: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Interface(**values)


class Pooled(nn.Module):
    """Adaptive pooling is traced with the window that the traced size needs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        context = F.interpolate(F.adaptive_avg_pool2d(image, 8), size=image.shape[2:])
        return self.conv(image * mask) + context, None


def test_a_graph_that_holds_for_one_size_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="holds for the size it was traced with alone"):
        export_onnx(Pooled(), tmp_path, dynamic=(16, 32, 64), precisions=("fp32",))
    bundle = export_onnx(
        Pooled(), tmp_path, size=(32, 32), precisions=("fp32",)
    )  # None among the outputs does not count
    assert bundle.interface.updated_mask_output is None


def test_torchscript_is_refused_by_name(tmp_path: Path) -> None:
    network = nn.Module()
    network.inner = torch.jit.script(nn.Conv2d(3, 3, 1))
    with pytest.raises(NetworkError, match=r"inner is TorchScript \(Conv2d\)"):
        export_onnx(network, tmp_path)


class OwnForward(nn.Conv2d):
    """A convolution of its own kind, as NVIDIA's partial convolution is one."""

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        total = F.conv2d(mask, torch.ones(1, 1, 3, 3), padding=1)
        ratio = 9 / (total + 1e-8) * total.clamp(0, 1)
        return super().forward(image * mask) * ratio, total.clamp(0, 1)


@pytest.mark.parametrize(
    "norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm]
)
def test_normalised_weights_of_layers_with_a_forward_of_their_own(tmp_path: Path, norm: Any) -> None:
    network = norm(OwnForward(3, 3, 3, padding=1, bias=False))
    network.eval()
    image, mask = tensors(32)
    with torch.no_grad():
        expected, updated = network(image, mask)
    network(image, mask)  # leaves a weight with a gradient
    bundle = export_onnx(network, tmp_path, size=(32, 32), io="tensor", precisions=("fp32",))
    found = run(bundle, "fp32", image.numpy(), mask.numpy())
    assert relative_error(found[0], expected) < 1e-5
    assert (found[1] == updated.numpy()).all()

"""Gated networks as others wrote them, through `--network`: handled, or refused with the line that is at fault."""

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.deepfill import Port, attend, random_images, trained_scale
from inpaintrt.engines import build_engines
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.source import from_factory
from inpaintrt.export.tracing.constant_weights import freeze
from inpaintrt.runtime.errors import NetworkError
from inpaintrt.validation import validate
from tests.engines.test_build import rtx
from tests.export.networks.test_deepfill_v2 import FP32, relative
from tests.export.test_deepfill_export import relative_error


@rtx
def test_weights_computed_at_run_time_unfolding_and_loops_over_the_batch(tmp_path: Path) -> None:
    network = trained_scale(Port(8))

    class WithOneMask(nn.Module):
        """Its attention computes convolution weights from patches, a picture at a time."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return self.network(image, mask)[0]

    bundle = export_onnx(WithOneMask(), tmp_path, interface=Port.interface, size=(64, 64), batch=2, io="tensor")
    image, mask = random_images(64, 64, 2)
    session = onnxruntime.InferenceSession(bundle.file(bundle.onnx("fp32")), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(image, mask)[0]
    found = session.run(["output"], {"image": image.numpy(), "mask": mask.numpy()})[0]
    assert relative(torch.from_numpy(found), expected) < FP32
    assert bundle.onnx("fp16").details["fp16_share_of_multiply_adds"] > 0.8
    assert {engine.artifact.target for engine in build_engines(bundle.path, target="sm75,sm89")} == {"sm75", "sm89"}


class Normalised(nn.Module):
    """A wrapper as many repositories have it: one power iteration, then an assignment, at every call."""

    def __init__(self, module: nn.Conv2d):
        super().__init__()
        self.module = module
        rows = module.weight.shape[0]
        module.register_parameter("weight_u", nn.Parameter(torch.randn(rows), requires_grad=False))
        module.register_parameter("weight_bar", nn.Parameter(module.weight.data.clone()))
        del module._parameters["weight"]

    def forward(self, x: Tensor) -> Tensor:
        u, bar = self.module.weight_u, self.module.weight_bar
        matrix = bar.data.reshape(bar.shape[0], -1)
        for _ in range(20):
            v = F.normalize(matrix.T @ u.data, dim=0)
            u.data = F.normalize(matrix @ v, dim=0)
        setattr(self.module, "weight", bar / (u @ (matrix @ v)))  # noqa: B010
        return self.module(x)


class NormalisedConvolution(nn.Conv2d):
    """A convolution that divides its own weight in place."""

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data.div_(torch.linalg.matrix_norm(self.weight.data.flatten(1), ord=2))
        return super().forward(x)


class Mutating(nn.Module):
    """Draws a weight at each call: no constant stands for it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        self.conv.weight.data = torch.randn_like(self.conv.weight)
        return self.conv(x)


def one_layer(layer: nn.Module) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(4, 4, 1), layer)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return torch.tanh(self.layers(torch.cat([image, mask], dim=1)))

    torch.manual_seed(0)
    return Network().eval()


NORMALISING = {
    "a wrapper": lambda: Normalised(nn.Conv2d(4, 3, 3, padding=1)),
    "a convolution of its own": lambda: NormalisedConvolution(4, 3, 3, padding=1),
    "spectral_norm": lambda: nn.utils.spectral_norm(nn.Conv2d(4, 3, 3, padding=1)),
    "parametrizations.spectral_norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 3, 3, padding=1)),
    "weight_norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 3, 3, padding=1)),
}


@pytest.mark.parametrize("name", NORMALISING)
def test_normalised_weights_become_constants(tmp_path: Path, name: str) -> None:
    network = one_layer(NORMALISING[name]())
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    bundle = export_onnx(network, tmp_path, size=(32, 32), io="tensor", precisions=("fp32",))
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())  # it is the user's
    assert validate(bundle.path, network=network).passed
    assert relative_error(bundle, network, (32, 32), 1) < 100 * FP32  # its own call does one more iteration


def test_a_weight_that_differs_at_each_call_is_refused_by_name(tmp_path: Path) -> None:
    network = one_layer(Mutating())
    with pytest.raises(NetworkError, match=r"Conv2d .*: something rewrites its weights in forward"):
        freeze(network, Interface())


def test_other_networks_are_left_as_they_are() -> None:
    network = one_layer(nn.Conv2d(4, 3, 3, padding=1))
    assert freeze(network, Interface()) is network


def test_hard_coded_devices_mean_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv2d(4, 3, 3, padding=1)\n"
        "    def forward(self, image, mask):\n"
        "        ones = torch.ones(1, 1, 3, 3, device='cuda:0').cuda()\n"
        "        near = torch.nn.functional.conv2d(mask.to(torch.device('cuda')), ones, padding=1)\n"
        "        return torch.tanh(self.conv(torch.cat([image.cuda(), near], 1)))\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    return Network().cuda()\n"
    )
    network = from_factory(f"{tmp_path / 'network.py'}:make", {}).network
    bundle = export_onnx(network, tmp_path / "bundle", size=(32, 32))
    assert validate(bundle.path, network=network).passed


def test_what_cannot_run_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def forward(self, image, mask):\n"
        "        return image * torch.cuda.FloatTensor([1.0])\n"
        "class Deciding(torch.nn.Module):\n"
        "    def forward(self, image, mask):\n"
        "        if mask.sum() > 5:\n"
        "            return image\n"
        "        return image * mask\n"
    )
    for name, line in (("Network", 4), ("Deciding", 7)):
        network = from_factory(f"{tmp_path / 'network.py'}:{name}", {}).network
        with pytest.raises(NetworkError, match=re.escape(f"{tmp_path / 'network.py'}:{line}: ")):
            export_onnx(network, tmp_path / "bundle", size=(32, 32))


def test_a_loop_over_a_dynamic_batch_is_refused_with_its_reason(tmp_path: Path) -> None:
    class Looping(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return attend(F.avg_pool2d(image, 4), mask, fuse=False, corners=False, exclude=False, count=False).repeat(
                1, 1, 4, 4
            )

    with pytest.raises(NetworkError, match="batch"):
        export_onnx(Looping(), tmp_path, size=(32, 32), batch=(1, 2, 3), interface=Interface(mask_polarity="hole"))


def test_pictures_of_one_batch_do_not_share_a_mask() -> None:
    network = trained_scale(Port(8))
    image, mask = random_images(64, 64, 2)
    with torch.no_grad():
        both, alone = network(image, mask)[0], network(image[1:], mask[1:])[0]
    assert np.allclose(both[1:], alone, atol=1e-5)

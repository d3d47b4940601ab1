"""Weights that a network computes at each call become constants."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.tracing.constant_weights import freeze
from inpaintrt.runtime.errors import NetworkError
from inpaintrt.validation import validate
from tests.export.networks.comparing import FP32, relative, relative_error, run_bundle, tensors


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


def one_layer(make: Callable[[], nn.Module]) -> nn.Module:
    """A network around the layer that `make` makes; every weight is drawn after the seed is set."""
    torch.manual_seed(0)
    layer = make()

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(4, 4, 1), layer)

        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return torch.tanh(self.layers(torch.cat([image, mask], dim=1)))

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
    network = one_layer(NORMALISING[name])
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    bundle = export_onnx(network, tmp_path, size=(32, 32), io="tensor", precisions=("fp32",))
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())  # it is the user's
    assert validate(bundle.path, network=network).passed
    assert relative_error(bundle, network, (32, 32), 1) < 100 * FP32  # its own call does one more iteration


@pytest.mark.parametrize("name", ["a wrapper", "a convolution of its own"])
def test_weights_are_found_in_a_network_that_was_called_before(name: str) -> None:
    """Its weights are in place, and one more call changes nothing."""
    network = one_layer(NORMALISING[name])
    image, mask = tensors(64)
    for _ in range(3):
        expected = network(image, mask)
    frozen = freeze(network, Interface())
    assert frozen is not network
    assert {type(module) for module in frozen.modules()} >= {nn.Conv2d}
    assert not any(isinstance(module, Normalised | NormalisedConvolution) for module in frozen.modules())
    assert relative(frozen(image, mask).detach().numpy(), expected.detach()) < 100 * FP32


def test_a_layer_with_more_than_a_convolution_is_no_wrapper() -> None:
    class Activated(Normalised):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(super().forward(x)) - 1

    network = one_layer(lambda: Activated(nn.Conv2d(4, 3, 3, padding=1)))
    image, mask = tensors(64)
    with pytest.raises(NetworkError, match="something rewrites its weights in forward"):
        freeze(network, Interface())
    assert torch.isfinite(network(image, mask)).all()


def test_a_weight_that_differs_at_each_call_is_refused_by_name(tmp_path: Path) -> None:
    network = one_layer(Mutating)
    with pytest.raises(NetworkError, match=r"Conv2d .*: something rewrites its weights in forward"):
        freeze(network, Interface())


def test_other_networks_are_left_as_they_are() -> None:
    network = one_layer(lambda: nn.Conv2d(4, 3, 3, padding=1))
    assert freeze(network, Interface()) is network


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
    found = run_bundle(bundle, "fp32", image.numpy(), mask.numpy())
    assert relative(found[0], expected) < 1e-5
    assert (found[1] == updated.numpy()).all()

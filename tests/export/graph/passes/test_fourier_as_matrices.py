"""Fourier transforms as products: exact for every norm and size, nothing transposed, and refusals with reasons."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from inpaintrt.export.graph.analysis.cost import measure_cost
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.fp16.convert import convert_to_fp16
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.fourier_as_matrices import fourier_as_matrices
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from tests.export.graph.graphs import SHAPES, inputs, operators, run, traced

Plane = tuple[int, int]

TRANSFORMS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "rfft2": (torch.fft.rfft2, lambda z, s, norm: torch.fft.irfft2(z, s=s, norm=norm)),
    "fft2": (torch.fft.fft2, lambda z, s, norm: torch.fft.ifft2(z, norm=norm).real),
    "rfft of rows": (torch.fft.rfft, lambda z, s, norm: torch.fft.irfft(z, n=s[1], norm=norm)),
    "rfft of columns": (
        lambda x, norm: torch.fft.rfft(x, dim=2, norm=norm),
        lambda z, s, norm: torch.fft.irfft(z, n=s[0], dim=2, norm=norm),
    ),
}


class Spectral(nn.Module):
    """A convolution of a spectrum's real and imaginary parts, side by side for each channel or for all."""

    def __init__(self, transform: str, norm: str, interleaved: bool = True, plane: Plane | None = None):
        super().__init__()
        torch.manual_seed(0)
        self.there, self.back = TRANSFORMS[transform]
        self.norm = norm
        self.interleaved = interleaved
        self.plane = plane
        self.first, self.last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 1)
        self.spectral = nn.Conv2d(8, 8, 1)
        self.batch_norm = nn.BatchNorm2d(8)
        nn.init.uniform_(self.batch_norm.weight, 0.5, 1.5)
        nn.init.normal_(self.batch_norm.bias)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features = self.first(torch.cat([image, mask], dim=1))
        x = features if self.plane is None else features[:, :, : self.plane[0], : self.plane[1]]
        spectrum = self.there(x, norm=self.norm)
        count, channels, rows, bins = spectrum.shape
        if self.interleaved:
            z = torch.stack([spectrum.real, spectrum.imag], dim=-1).permute(0, 1, 4, 2, 3)
            z = torch.relu(self.batch_norm(self.spectral(z.reshape(count, 2 * channels, rows, bins))))
            z = z.reshape(count, channels, 2, rows, bins).permute(0, 1, 3, 4, 2)
            real, imaginary = z[..., 0], z[..., 1]
        else:
            z = torch.cat([spectrum.real, spectrum.imag], dim=1)
            real, imaginary = torch.relu(self.batch_norm(self.spectral(z))).chunk(2, dim=1)
        filled = self.back(torch.complex(real, imaginary), (x.shape[2], x.shape[3]), self.norm)
        return self.last(features) + nn.functional.pad(
            self.last(filled), (0, features.shape[3] - x.shape[3], 0, features.shape[2] - x.shape[2])
        )


def relative_error(model: ir.Model, network: nn.Module, given: dict[str, np.ndarray]) -> float:
    """Of FP32 ONNX Runtime against FP64 PyTorch, relative L2."""
    with torch.no_grad():
        expected = network.double()(*(torch.from_numpy(value).double() for value in given.values())).numpy()
    network.float()
    return float(np.linalg.norm(run(model, given)[0] - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(
    ("transform", "norm", "interleaved", "plane"),
    [
        ("rfft2", "ortho", True, (15, 13)),
        ("rfft2", "backward", True, (16, 12)),
        ("rfft2", "forward", False, None),
        ("fft2", "backward", True, (13, 16)),
        ("rfft of rows", "ortho", False, (7, 9)),
        ("rfft of columns", "forward", True, (9, 7)),
    ],
)
def test_transforms_are_products_exactly(transform: str, norm: str, interleaved: bool, plane: Plane | None) -> None:
    network = Spectral(transform, norm, interleaved, plane)
    folded, _ = fold_batch_norm(traced(network))
    assert operators(folded)["DFT"]
    products, report = fourier_as_matrices(folded)
    axes = 2 if transform.endswith("2") else 1
    assert len(report.changed) == 2 * axes
    assert report.refused == []
    products = clean_up(products)
    found = operators(products)
    assert found["DFT"] == 0
    assert found["MatMul"] == 2 * axes
    assert found["Mul"] == found["Div"] == 0  # every scale is in a matrix
    if interleaved and transform != "fft2":
        assert found["Transpose"] == found["Gather"] == 0
    assert relative_error(products, network, inputs()) < 1e-6  # the bound


@pytest.mark.parametrize("norm", ["ortho", "backward"])
def test_features_of_any_norm_fit_fp16(norm: str) -> None:
    network = Spectral("rfft2", norm)
    folded, _ = fold_batch_norm(traced(network))
    products, _ = fourier_as_matrices(folded)
    half, report = convert_to_fp16(clean_up(products))
    assert report.kept == []
    large = {"image": 1000 * inputs()["image"], "mask": inputs()["mask"]}
    result = StrictFp16(half).run(large)
    assert result.first_non_finite is None
    with torch.no_grad():
        expected = network(*(torch.from_numpy(value) for value in large.values())).numpy()
    error = np.linalg.norm(result.outputs["output"] - expected) / np.linalg.norm(expected)
    assert error < 2e-3  # a few roundings of 2^-11 each; unscaled, the sum over the plane alone overflows


def test_sizes_may_be_free() -> None:
    network = Spectral("rfft2", "backward").eval()
    adapter = TensorNetwork(network, Interface()).eval()
    model = trace(adapter, Profile((1, 1, 2), (12, 20, 40), (12, 20, 40))).model
    products, report = fourier_as_matrices(fold_batch_norm(clean_up(model))[0])
    assert report.refused == []
    assert operators(products)["DFT"] == 0
    rng = np.random.default_rng(0)
    for count, height, width in ((1, 20, 20), (2, 13, 39), (1, 38, 17)):
        given = {
            "image": rng.normal(size=(count, 3, height, width)).astype(np.float32),
            "mask": (rng.random((count, 1, height, width)) > 0.5).astype(np.float32),
        }
        assert relative_error(products, network, given) < 1e-6


def test_what_products_cost_is_counted() -> None:
    model = traced(Spectral("rfft2", "ortho"))
    cost = measure_cost(clean_up(fourier_as_matrices(model)[0]), SHAPES)
    rows, columns = 32 * 32 * 2 * 17, 64 * 64 * 17  # one channel, there; back it is the same
    convolutions = 32 * 32 * (4 * 4 + 2 * 4 * 3) + 32 * 17 * 8 * 8
    assert cost.feature_multiply_adds == 4 * 2 * (rows + columns) + convolutions


def test_a_transform_along_channels_stays_and_says_why() -> None:
    class OfChannels(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return torch.fft.fft(image * mask, dim=1).real

    model, report = fourier_as_matrices(traced(OfChannels()))
    assert operators(model)["DFT"] == 1
    assert [reason for _, reason in report.refused] == [
        "it goes along axis 1 of 4; only along the last two it is a product without a copy"
    ]


def test_a_factor_that_cannot_move_stays_and_says_why() -> None:
    class Magnitude(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            spectrum = torch.fft.rfft(image * mask)
            return torch.sigmoid(torch.cat([spectrum.real, spectrum.imag[..., 1:-1]], dim=-1))

    model, report = fourier_as_matrices(traced(Magnitude()))
    assert operators(model)["Mul"] == 2  # the mask, and the power of two
    assert len(report.refused) == 1
    assert "its features stay larger by this factor" in report.refused[0][1]
    assert "Sigmoid" in report.refused[0][1]

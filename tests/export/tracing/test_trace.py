"""From networks to raw graphs: whatever they return, and a reason where they cannot be traced."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.networks.deepfill import attend
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.runtime.errors import NetworkError
from tests.export.networks.comparing import relative, run_bundle, tensors


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
    assert relative(run_bundle(bundle, "fp32", image.numpy(), mask.numpy())[0], expected[0]) < 1e-5
    if has_mask:
        recorded = bundle.interface.updated_mask_output
        assert recorded is not None
        assert (run_bundle(bundle, "fp32", image.numpy(), mask.numpy())[1] == expected[recorded].numpy()).all()


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


class Pooled(nn.Module):
    """Adaptive pooling is traced with the window that the traced size needs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        context = F.interpolate(F.adaptive_avg_pool2d(image, 8), size=image.shape[2:])
        return self.conv(image * mask) + context, None


def test_a_graph_that_holds_for_one_size_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="holds only for the size it was traced with"):
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


def test_a_loop_over_a_dynamic_batch_is_refused_with_its_reason(tmp_path: Path) -> None:
    class Looping(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return attend(F.avg_pool2d(image, 4), mask, fuse=False, corners=False, exclude=False, count=False).repeat(
                1, 1, 4, 4
            )

    with pytest.raises(NetworkError, match="batch"):
        export_onnx(Looping(), tmp_path, size=(32, 32), batch=(1, 2, 3), interface=Interface(mask_polarity="hole"))

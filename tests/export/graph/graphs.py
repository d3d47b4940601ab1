"""Small graphs to run passes on."""

import functools
from collections import Counter
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from torch import Tensor, nn

from benchmarks.networks.partial_conv import dividing_trained_scale, randomise
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.graph.fp16.convert import Fp16Report, convert_to_fp16
from inpaintrt.export.graph.passes.collapse_mask_channels import collapse_mask_channels
from inpaintrt.export.graph.passes.fold_batch_norm import fold_batch_norm
from inpaintrt.export.graph.passes.normalise_mask_ratio import normalise_mask_ratio
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16

SIZE = 32
SHAPES = {"image": (1, 3, SIZE, SIZE), "mask": (1, 1, SIZE, SIZE)}


def traced(network: nn.Module, mask_channels: int = 1, batch: int = 1) -> ir.Model:
    """The cleaned trace of a network for so many images of `SIZE`."""
    network.eval()
    adapter = TensorNetwork(network, Interface(mask_channels=mask_channels)).eval()
    return clean_up(trace(adapter, Profile((batch,) * 3, (SIZE,) * 3, (SIZE,) * 3)).model)


@functools.cache
def wide_trace() -> ir.Model:
    """A U-Net whose masks are as wide as its features; many tests share it, and no pass changes what it is given."""
    return traced(dividing_trained_scale(), mask_channels=3)


def run(model: ir.Model, inputs: dict[str, Any]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def inputs(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = (rng.random((1, 1, SIZE, SIZE)) > 0.5).astype(np.float32)
    mask[..., 4:20, 4:20] = 0
    return {"image": rng.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32), "mask": mask}


def all_hole() -> dict[str, np.ndarray]:
    """`inputs` with a mask of which nothing is known."""
    return inputs() | {"mask": np.zeros((1, 1, SIZE, SIZE), dtype=np.float32)}


def operators(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def assert_same(before: ir.Model, after: ir.Model) -> None:
    expected, found = run(before, inputs()), run(after, inputs())
    error = np.linalg.norm(found[0] - expected[0]) / np.linalg.norm(expected[0])
    assert error < 1e-5  # FP32, in another order of operations
    for mask, same in zip(expected[1:], found[1:], strict=True):
        assert (mask == same).all()


def fp16_of(
    network: nn.Module, mask_channels: int = 1, keep: tuple[str, ...] = (), batch: int = 1
) -> tuple[ir.Model, Fp16Report]:
    """The FP16 graph of a network after the passes that make it safe."""
    model = traced(network, mask_channels, batch)
    for optimisation in (collapse_mask_channels, normalise_mask_ratio, fold_batch_norm):
        model, _ = optimisation(model)
    return convert_to_fp16(clean_up(model), keep)


def assert_safe_in_fp16(network: nn.Module, kept: list[str]) -> None:
    """No NaN where nothing is known, and these nodes in FP32 because a ratio may leave the FP16 range."""
    half, report = fp16_of(network)
    assert [name.split()[0] for name, reason in report.kept if "not proven" in reason] == kept
    result = StrictFp16(half).run(all_hole())
    assert result.first_non_finite is None
    assert np.abs(result.outputs["output"] - run(traced(network), all_hole())[0]).max() < 2e-3


class Layer(nn.Module):
    """One convolution whose treatment the test chooses."""

    def __init__(self, treatment: Any, bias: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=bias)
        self.norm = nn.BatchNorm2d(3)
        self.treatment = treatment
        randomise(self)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.treatment(self, image, mask)

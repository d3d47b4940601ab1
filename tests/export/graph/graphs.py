"""Small graphs to run passes on."""

from collections import Counter
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from torch import Tensor, nn

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export.graph.cleanup.clean_up import clean_up
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile

SIZE = 32
SHAPES = {"image": (1, 3, SIZE, SIZE), "mask": (1, 1, SIZE, SIZE)}


def traced(network: nn.Module, mask_channels: int = 1) -> ir.Model:
    network.eval()
    adapter = TensorNetwork(network, Interface(mask_channels=mask_channels)).eval()
    return clean_up(trace(adapter, Profile((1, 1, 1), (SIZE,) * 3, (SIZE,) * 3)).model)


def run(model: ir.Model, inputs: dict[str, Any]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def inputs(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = (rng.random((1, 1, SIZE, SIZE)) > 0.5).astype(np.float32)
    mask[..., 4:20, 4:20] = 0
    return {"image": rng.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32), "mask": mask}


def operators(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def assert_same(before: ir.Model, after: ir.Model) -> None:
    expected, found = run(before, inputs()), run(after, inputs())
    error = np.linalg.norm(found[0] - expected[0]) / np.linalg.norm(expected[0])
    assert error < 1e-5  # the design's bound for every pass
    for mask, same in zip(expected[1:], found[1:], strict=True):
        assert (mask == same).all()


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

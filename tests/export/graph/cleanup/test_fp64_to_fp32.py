"""FP64 as FP32."""

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintrt.export import Interface
from inpaintrt.export.graph.cleanup.fp64_to_fp32 import fp64_to_fp32
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from tests.export.graph.graphs import (
    SIZE,
    Layer,
    inputs,
    run,
)


def test_a_mask_counted_in_fp64_is_counted_in_fp32() -> None:
    def counted(layer: Layer, image: Tensor, mask: Tensor) -> Tensor:
        total = F.conv2d(mask.double(), torch.ones(1, 1, 3, 3, dtype=torch.float64), padding=1)
        return layer.conv(image * mask) / total.clamp(min=1).float()

    network = Layer(counted)
    raw = trace(TensorNetwork(network, Interface()).eval(), Profile((1, 1, 1), (SIZE,) * 3, (SIZE,) * 3)).model
    assert ir.DataType.DOUBLE in types(raw)
    model = fp64_to_fp32(raw)
    assert ir.DataType.DOUBLE not in types(model)
    assert ir.DataType.DOUBLE in types(raw)  # a pass changes nothing of what it is given
    feed = {name: torch.from_numpy(value) for name, value in inputs().items()}
    with torch.no_grad():
        expected = network(**feed).numpy()
    np.testing.assert_allclose(run(model, inputs())[0], expected, rtol=1e-5, atol=1e-6)  # a rounding of 2^-24 or two


def types(model: ir.Model) -> set[ir.DataType | None]:
    return {value.dtype for node in model.graph for value in node.outputs}

"""DeepFillv2 as others wrote it, through `--network`."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks.deepfill import Port, random_images, trained_scale
from inpaintrt.engines import build_engines
from inpaintrt.export import export_onnx
from tests.engines.test_build import rtx
from tests.export.graph.graphs import operators
from tests.export.networks.comparing import FP32, relative


@pytest.mark.slow
@rtx
def test_weights_computed_at_run_time_unfolding_and_loops_over_the_batch(tmp_path: Path) -> None:
    network = trained_scale(Port(8))

    class WithOneMask(nn.Module):
        """Its attention computes convolution weights from patches, an image at a time."""

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
    full, half = (
        operators(ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx(name))))) for name in ("fp32", "fp16")
    )
    assert half["MatMul"] == 0 < full["MatMul"]  # TensorRT-RTX has no FP32 matrix product for sm75
    assert bundle.onnx("fp16").details["fp16_share_of_multiply_adds"] > 0.8
    assert {engine.artifact.target for engine in build_engines(bundle.path, target="sm75,sm89")} == {"sm75", "sm89"}


def test_images_of_one_batch_do_not_share_a_mask() -> None:
    network = trained_scale(Port(8))
    image, mask = random_images(64, 64, 2)
    with torch.no_grad():
        both, alone = network(image, mask)[0], network(image[1:], mask[1:])[0]
    assert np.allclose(both[1:], alone, atol=1e-5)

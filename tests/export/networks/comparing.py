"""What tests of exported networks share: a tolerance, inputs, and how far results are apart."""

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.networks.deepfill import random_images
from inpaintrt.runtime import Bundle

FP32 = 1e-5
"""Relative L2 between two orders of the same FP32 additions, through fifty layers."""


def relative(value: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> float:
    """Relative L2 difference."""
    found, wanted = (torch.as_tensor(each) for each in (value, expected))
    return float(torch.linalg.vector_norm(found - wanted) / torch.linalg.vector_norm(wanted))


def relative_error(bundle: Bundle, network: nn.Module, size: tuple[int, int], count: int) -> float:
    """Relative L2 of the FP32 graph of `--io tensor` to PyTorch, over a batch whose images have different masks."""
    image, mask = random_images(*size, count)
    with torch.no_grad():
        expected = network(image, mask)
    found = run_bundle(bundle, "fp32", image.numpy(), mask.numpy())[0]
    return relative(found, expected if isinstance(expected, Tensor) else expected[0])


def run_bundle(bundle: Bundle, precision: str, image: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """All outputs of a bundle's model on the CPU."""
    session = onnxruntime.InferenceSession(bundle.file(bundle.onnx(precision)), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image, "mask": mask})


def tensors(size: int, batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """An image and a mask, 1 = known, of noise."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 3, size, size, generator=generator)
    return image, (torch.rand(batch, 1, size, size, generator=generator) > 0.4).float()

"""What runs a network: ONNX Runtime, TensorRT or TensorRT-RTX, behind one small protocol."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Backend(Protocol):
    """Runs the network of a bundle on arrays whose size the bundle's profile allows. Safe to share by threads."""

    @property
    def name(self) -> str:
        """Library, device and precision, such as `onnxruntime-cpu fp32`."""

    def run(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fill holes: image [N,H,W,3] and mask [N,H,W] (non-zero = hole) to composite [N,H,W,3]."""

    def close(self) -> None:
        """Free what the backend holds; `run` must not be called afterwards."""

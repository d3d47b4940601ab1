"""What runs a network: ONNX Runtime, TensorRT or TensorRT-RTX, behind one small protocol."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .memory import Memory


class Backend(Protocol):
    """Runs the network of a bundle on arrays whose size the bundle's profile allows. Safe to share by threads."""

    @property
    def name(self) -> str:
        """Library, device and precision, such as `onnxruntime-cpu fp32`."""

    @property
    def parallel(self) -> int:
        """Calls of `run` that are worth making at once."""

    @property
    def memory(self) -> Memory | None:
        """Bytes that are held now, besides the weights; None where the library does not say."""

    def run(
        self, inputs: Mapping[str, NDArray[np.uint8]], size: tuple[int, int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Fill holes.

        Args:
            inputs: those that the bundle's interface names: `image` [N,H,W,3] and, unless the bundle's mask is fixed,
                `mask` [N,H,W], non-zero = hole.
            size: (N,H,W) that the network runs at, not smaller than the inputs; what is added counts as hole.

        Returns:
            The composite, a new array of the image's shape.
        """

    def close(self) -> None:
        """Free what the backend holds; `run` must not be called afterwards."""

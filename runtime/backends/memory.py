"""Memory of a GPU backend: one pool for the activations of all shapes, and buffers for each tensor of a shape."""

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError

Shape = tuple[int, ...]

PADDING = {"image": 0, "mask": 1, "sketch": 0}
"""What stands outside an image that is smaller than the network's size: black pixels that are holes without lines."""


@dataclass(frozen=True)
class Memory:
    """Bytes that an `Inpainter` holds now, besides the weights.

    Args:
        activations: on the GPU, one pool that all shapes share, as large as the largest of them needs.
        tensors: on the GPU, for the inputs and outputs of the shapes that are kept.
        pinned: on the host, for copies to and from the GPU.
    """

    activations: int
    tensors: int
    pinned: int

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(
            self.activations + other.activations, self.tensors + other.tensors, self.pinned + other.pinned
        )  # fmt: skip


class ActivationPool:
    """Device memory that all execution contexts share. They run one after the other, on one stream."""

    def __init__(self, device: Any, stream: Any):
        self._device, self._stream = device, stream
        self._buffer: Any = None
        self.size = 0
        self.version = 0
        """Changes when the memory moves: contexts must be told, and graphs that were captured are void."""

    def fit(self, size: int) -> None:
        """Make it at least so large, and never empty: a context without memory does not run. Contents do not matter
        between two runs.

        Raises:
            Exception: of `cuda-core`, if the GPU has too little memory; the pool is empty then.
        """
        size = max(size, 1)
        if size <= self.size:
            return
        self._stream.sync()  # what runs still uses it
        self.free()
        self._buffer = self._device.allocate(size, stream=self._stream)
        self.size = size
        self.version += 1

    @property
    def address(self) -> int:
        return int(self._buffer.handle)

    def free(self) -> None:
        """Give the memory back."""
        buffer, self._buffer, self.size = self._buffer, None, 0
        if buffer is not None:
            buffer.close(self._stream)


class Binding:
    """One tensor of a shape: memory on the device, pinned memory on the host, and the latter as an array."""

    def __init__(self, name: str, shape: Shape, dtype: Any, device: Any, stream: Any):
        from cuda.core import LegacyPinnedMemoryResource  # only with a GPU

        self.name, self.shape = name, shape
        self.size = math.prod(shape) * np.dtype(dtype).itemsize
        self.pinned = LegacyPinnedMemoryResource().allocate(self.size)
        try:
            self.device = device.allocate(self.size, stream=stream)
        except Exception:
            self.pinned.close(stream)
            raise
        # The array borrows the memory; the binding keeps both together.
        memory = (ctypes.c_uint8 * self.size).from_address(int(self.pinned.handle))
        self.array: NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        self._inside: Shape | None = None

    def write(self, value: NDArray[Any]) -> None:
        """Put a tensor into the pinned memory, with padding after it where it is smaller.

        Raises:
            BackendError: if it is larger.
        """
        if any(have > room for have, room in zip(value.shape, self.shape, strict=True)):
            raise BackendError(f"{self.name} is {value.shape}, larger than {self.shape}")
        if value.shape != self._inside:
            for axis, have in enumerate(value.shape):
                before = tuple(slice(0, size) for size in value.shape[:axis])
                after = (*before, slice(have, None))
                self.array[after] = PADDING.get(self.name, 0)
        self.array[tuple(slice(0, size) for size in value.shape)] = value
        self._inside = value.shape

    def read(self, size: Shape) -> NDArray[Any]:
        """A copy of the corner of this size (the first axes; the others whole)."""
        return np.array(self.array[tuple(slice(0, length) for length in size)])

    def close(self, stream: Any) -> None:
        """Free both."""
        try:
            self.device.close(stream)
        finally:
            self.pinned.close(stream)

"""Calls of ONNX Runtime on a GPU through pinned memory, as engines and PyTorch are called: copies are the same for all.

`session.run` copies from and to memory as it comes, which a GPU cannot reach by itself; a baseline that is measured so
looks slower than it is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class PinnedMemory:
    """Pinned memory by name, shape and type, kept from call to call."""

    def __init__(self) -> None:
        self._memory: dict[tuple[Any, ...], torch.Tensor] = {}

    def like(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Memory for such a tensor."""
        key = (name, tuple(tensor.shape), tensor.dtype)
        if key not in self._memory:
            self._memory[key] = torch.empty(tensor.shape, dtype=tensor.dtype).pin_memory()
        return self._memory[key]

    def write(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """A copy of an array in pinned memory."""
        tensor = torch.from_numpy(array)
        written: NDArray[Any] = self.like(name, tensor).copy_(tensor).numpy()
        return written


class PinnedCalls:
    """Runs a session on inputs in pinned memory, into outputs in pinned memory.

    Args:
        session: of ONNX Runtime.
        outputs: their names.
    """

    def __init__(self, session: Any, outputs: list[str]):
        self._session, self._outputs = session, outputs
        self._memory = PinnedMemory()
        self._shapes: dict[tuple[Any, ...], dict[str, torch.Tensor]] = {}

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name, in arrays of their own."""
        results = self._results(inputs)
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, self._memory.write(name, array))
        for name, tensor in results.items():
            memory = tensor.numpy()
            binding.bind_output(name, "cpu", 0, memory.dtype, memory.shape, memory.ctypes.data)
        self._session.run_with_iobinding(binding)
        return {name: tensor.numpy().copy() for name, tensor in results.items()}

    def _results(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
        """Memory for the outputs, whose shapes a first run tells."""
        key = tuple((name, array.shape) for name, array in inputs.items())
        if key not in self._shapes:
            found = self._session.run(self._outputs, dict(inputs))
            self._shapes[key] = {
                name: self._memory.like(f"output {name}", torch.from_numpy(np.asarray(array)))
                for name, array in zip(self._outputs, found, strict=True)
            }
        return self._shapes[key]

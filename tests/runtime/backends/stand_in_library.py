"""TensorRT and TensorRT-RTX on the GPU that does not exist: a network that inverts holes."""

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from .stand_in_gpu import STREAMS, Machine


class Context:
    """Inverts the holes of images of at most 64 pixels a side, with scratch memory in between."""

    def __init__(self, library: "Library"):
        self.library, self.machine = library, library.machine
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.scratch = (0, 0)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.machine.called("Context.set_input_shape")
        self.shapes[name] = tuple(shape)
        return max(shape) <= 64

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes["image"]

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def update_device_memory_size_for_shapes(self) -> int:
        self.machine.called("Context.update_device_memory_size_for_shapes")
        return int(np.prod(self.shapes["image"]))

    def set_device_memory(self, address: int, size: int) -> None:
        self.machine.called("Context.set_device_memory")
        self.scratch = (address, size)

    def is_stream_capturable(self, stream: int) -> bool:
        self.machine.called("Context.is_stream_capturable")
        return self.library.capturable

    def execute_async_v3(self, stream: int) -> bool:
        self.machine.called("Context.execute_async_v3")
        if self.library.fails:
            return False
        address, size = self.scratch
        needed = int(np.prod(self.shapes["image"]))
        if size < needed:
            return False
        addresses, shapes = dict(self.addresses), dict(self.shapes)
        STREAMS[stream].do(lambda: self._network(addresses, shapes, address))
        return True

    def _network(self, addresses: dict[str, int], shapes: dict[str, tuple[int, ...]], scratch: int) -> None:
        arrays = {name: array_at(address, shapes.get(name, shapes["image"])) for name, address in addresses.items()}
        between = array_at(scratch, shapes["image"])
        between[...] = 255 - arrays["image"]
        arrays["composite"][...] = np.where(arrays["mask"][..., None] != 0, between, arrays["image"])


def array_at(address: int, shape: tuple[int, ...]) -> np.ndarray:
    """Memory as an array of bytes."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * int(np.prod(shape))).from_address(address)).reshape(shape)


class Library:
    """Stands for the module `tensorrt` or `tensorrt_rtx`."""

    __version__ = "1.0"
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user managed")
    CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole graph")
    DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
    Logger = type("Logger", (), {"ERROR": 1, "__init__": lambda *_: None})

    def __init__(self, machine: Machine):
        self.machine = machine
        self.capturable, self.fails, self.loads, self.makes_contexts = False, False, True, True
        self.read: list[bytes] = []
        self.strategies: list[Any] = []
        self.config: Any = None

    def Runtime(self, logger: Any) -> Any:  # noqa: N802 - the library's name
        self.machine.called("Runtime")
        return SimpleNamespace(deserialize_cuda_engine=self._deserialize)

    def _deserialize(self, content: bytes) -> Any:
        self.machine.called("Runtime.deserialize_cuda_engine")
        if not self.loads:
            return None
        return SimpleNamespace(create_runtime_config=self._configure, create_execution_context=self._context)

    def _configure(self) -> Any:
        self.machine.called("Engine.create_runtime_config")
        cache = SimpleNamespace(serialize=self._serialize, deserialize=self.read.append)
        self.config = SimpleNamespace(
            create_runtime_cache=lambda: cache, set_runtime_cache=lambda cache: None,
            set_execution_context_allocation_strategy=self.strategies.append,
        )  # fmt: skip
        return self.config

    def _serialize(self) -> bytes:
        self.machine.called("RuntimeCache.serialize")
        return b"compiled"

    def _context(self, strategy_or_config: Any) -> Context | None:
        self.machine.called("Engine.create_execution_context")
        self.strategies.append(strategy_or_config)
        return Context(self) if self.makes_contexts else None

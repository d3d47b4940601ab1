"""TensorRT and TensorRT-RTX on the GPU that does not exist: a network that inverts holes."""

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from .stand_in_gpu import STREAMS, Machine, Stream


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

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.machine.called("Context.set_tensor_address")
        if self.library.refused == name:
            return False
        self.addresses[name] = memory
        return True

    def update_device_memory_size_for_shapes(self) -> int:
        self.machine.called("Context.update_device_memory_size_for_shapes")
        return int(np.prod(self.shapes["image"]))

    def set_device_memory(self, memory: int, size: int) -> None:
        self.machine.called("Context.set_device_memory")
        if size >= int(np.prod(self.shapes["image"])):  # less is refused without a word
            self.scratch = (memory, size)

    def execute_async_v3(self, stream_handle: int) -> bool:
        self.machine.called("Context.execute_async_v3")
        return self.library.execute(self, STREAMS[stream_handle])


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
        self.serializes = True
        self.refused = ""
        """A tensor whose memory is not taken."""
        self.read: list[bytes] = []
        self.strategies: list[Any] = []
        self.config: Any = None

    def execute(self, context: Context, stream: Stream) -> bool:
        """Enqueue the network, on a stream that may be captured."""
        address, size = context.scratch
        if self.fails or (stream.recorded is not None and not self.capturable):
            return False
        if size < int(np.prod(context.shapes["image"])):
            return False
        addresses, shapes = dict(context.addresses), dict(context.shapes)
        stream.do(lambda: self.network(addresses, shapes, address))
        return True

    @staticmethod
    def network(addresses: dict[str, int], shapes: dict[str, tuple[int, ...]], scratch: int) -> None:
        """What runs on the stream: `Context` says what it does."""
        arrays = {name: array_at(address, shapes.get(name, shapes["image"])) for name, address in addresses.items()}
        between = array_at(scratch, shapes["image"])
        between[...] = 255 - arrays["image"]
        arrays["composite"][...] = np.where(arrays["mask"][..., None] != 0, between, arrays["image"])

    def Runtime(self, logger: Any) -> Any:  # noqa: N802 - the library's name
        self.machine.called("Runtime")
        return SimpleNamespace(deserialize_cuda_engine=self._deserialize)

    def _deserialize(self, content: bytes) -> Any:
        self.machine.called("Runtime.deserialize_cuda_engine")
        if not self.loads:
            return None
        return SimpleNamespace(create_runtime_config=self._configure, create_execution_context=self._context)

    def _configure(self) -> "RuntimeConfig":
        self.machine.called("Engine.create_runtime_config")
        self.config = RuntimeConfig(self)
        return self.config

    def _context(self, strategy_or_config: Any) -> Context | None:
        self.machine.called("Engine.create_execution_context")
        self.strategies.append(strategy_or_config)
        return Context(self) if self.makes_contexts else None


class RuntimeConfig:
    """Of TensorRT-RTX; like the real one it has no other attributes."""

    __slots__ = ("_library", "cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy")

    def __init__(self, library: Library):
        self._library = library

    def set_execution_context_allocation_strategy(self, strategy: str) -> None:
        self._library.machine.called("RuntimeConfig.set_execution_context_allocation_strategy")
        self._library.strategies.append(strategy)

    def create_runtime_cache(self) -> "RuntimeCache":
        self._library.machine.called("RuntimeConfig.create_runtime_cache")
        return RuntimeCache(self._library)

    def set_runtime_cache(self, cache: "RuntimeCache") -> bool:
        self._library.machine.called("RuntimeConfig.set_runtime_cache")
        return isinstance(cache, RuntimeCache)


class RuntimeCache:
    """Of TensorRT-RTX."""

    def __init__(self, library: Library):
        self._library = library

    def deserialize(self, blob: bytes) -> bool:
        self._library.machine.called("RuntimeCache.deserialize")
        self._library.read.append(blob)
        return blob == b"compiled"

    def serialize(self) -> memoryview | None:
        self._library.machine.called("RuntimeCache.serialize")
        return memoryview(b"compiled") if self._library.serializes else None

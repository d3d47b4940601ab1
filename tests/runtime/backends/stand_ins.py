"""A GPU that does not exist: the driver, `cuda-core` and TensorRT, with the real names, memory, streams and events.

Nothing on a stream runs before somebody waits for it, and then only what it depends on: an order that no event enforces
shows as wrong bytes. Every call goes through `Machine.called`, which records its name and can make it fail once.
"""

import ctypes
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


class DriverError(Exception):
    """As `cuda.core`'s CUDAError: no base of ours."""


class Machine:
    """All that there is: what was called, what is open, how many bytes were copied on the host."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail: str | None = None
        self.fail_at = 0
        self.failed: Any = None
        self.opened: list[Any] = []
        self.context = "the caller's"
        self.driver_version = 13000
        self.devices = 1
        self.default_stream = Stream(self)
        self.opened.clear()
        self.free_memory = 1 << 30

    def called(self, name: str, owner: Any = None) -> None:
        """Note a call; raise if this is the one that fails."""
        self.calls.append(name)
        if name == self.fail:
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail, self.failed = None, owner
                raise DriverError(f"{name}: injected\nsecond line")

    def left_open(self) -> list[Any]:
        """What was opened and not closed; what failed to close is not counted."""
        return [each for each in self.opened if not each.closed and each is not self.failed]


class Handle:
    """Something to close."""

    def __init__(self, machine: Machine, kind: str):
        self.machine, self.kind, self.closed = machine, kind, False
        machine.opened.append(self)

    def close(self, stream: Any = None) -> None:
        self.machine.called(f"{self.kind}.close", self)
        self.closed = True

    def __repr__(self) -> str:
        return self.kind


class Buffer(Handle):
    """Memory, as `cuda.core.Buffer`."""

    def __init__(self, machine: Machine, size: int, kind: str = "Buffer"):
        super().__init__(machine, kind)
        self.memory = np.empty(size, np.uint8)
        self.memory.fill(0xAB)
        self.size, self.handle = size, self.memory.ctypes.data

    def copy_from(self, other: "Buffer", *, stream: Any) -> None:
        self.machine.called("Buffer.copy_from")
        stream.do(lambda: self._copy(other))

    def copy_to(self, other: "Buffer", *, stream: Any) -> None:
        self.machine.called("Buffer.copy_to")
        stream.do(lambda: other._copy(self))

    def fill(self, value: int, *, stream: Any) -> None:
        self.machine.called("Buffer.fill")
        stream.do(lambda: self.memory.fill(value))

    def _copy(self, other: "Buffer") -> None:
        assert not self.closed, "a copy into memory that was freed"
        assert not other.closed, "a copy from memory that was freed"
        self.memory[:] = other.memory


class Event(Handle):
    """A point on a stream."""

    def __init__(self, machine: Machine):
        super().__init__(machine, "Event")
        self.stream: Any = None
        self.position = 0

    def sync(self) -> None:
        self.machine.called("Event.sync")
        if self.stream is not None:
            self.stream.run(self.position)


class Stream(Handle):
    """Work in order, done when somebody waits."""

    @property
    def cuda_stream(self) -> int:
        """As torch's."""
        return self.handle

    def __init__(self, machine: Machine):
        super().__init__(machine, "Stream")
        self.handle = id(self)
        self.work: list[Callable[[], None]] = []
        self.ran = 0
        STREAMS[self.handle] = self

    def do(self, work: Callable[[], None]) -> None:
        assert not self.closed, "work on a closed stream"
        self.work.append(work)

    def run(self, position: int) -> None:
        with RUNNING:
            while self.ran < position:
                self.ran += 1
                self.work[self.ran - 1]()

    def sync(self) -> None:
        self.machine.called("Stream.sync")
        self.run(len(self.work))

    def record(self, event: Event | None = None, options: Any = None) -> Event:
        self.machine.called("Stream.record")
        event = event or Event(self.machine)
        event.stream, event.position = self, len(self.work)
        return event

    def wait(self, event: Any) -> None:
        self.machine.called("Stream.wait")
        stream, position = (event, len(event.work)) if isinstance(event, Stream) else (event.stream, event.position)
        self.do(lambda: stream.run(position))

    def create_graph_builder(self) -> "Builder":
        self.machine.called("Stream.create_graph_builder")
        return Builder(self.machine)


RUNNING = threading.RLock()
"""The stand-in runs on the threads that wait, one at a time."""

STREAMS: dict[int, Any] = {}
"""By handle, for libraries that are given one."""


class Builder(Handle):
    """Records work, as `cuda.core.graph.GraphBuilder`."""

    def __init__(self, machine: Machine):
        super().__init__(machine, "GraphBuilder")
        self.stream = SimpleNamespace(handle=id(self))
        self.work: list[Callable[[], None]] = []
        STREAMS[id(self)] = self

    def do(self, work: Callable[[], None]) -> None:
        self.work.append(work)

    def begin_building(self, mode: str) -> None:
        self.machine.called("GraphBuilder.begin_building")

    def end_building(self) -> None:
        self.machine.called("GraphBuilder.end_building")

    def complete(self) -> "Graph":
        self.machine.called("GraphBuilder.complete")
        return Graph(self.machine, list(self.work))


class Graph(Handle):
    """What was captured."""

    def __init__(self, machine: Machine, work: list[Callable[[], None]]):
        super().__init__(machine, "Graph")
        self.work = work

    def launch(self, stream: Stream) -> None:
        self.machine.called("Graph.launch")
        assert not self.closed, "a graph that was closed"
        for work in self.work:
            stream.do(work)


class Device:
    """As `cuda.core.Device`."""

    compute_capability = (8, 9)

    def __init__(self, machine: Machine, number: int = 0):
        self.machine, self.device_id = machine, number
        self.name = f"Stand-in {number}"

    def set_current(self) -> None:
        self.machine.called("Device.set_current")
        self.machine.context = self.name

    def create_stream(self) -> Stream:
        self._check("Device.create_stream")
        return Stream(self.machine)

    def create_event(self) -> Event:
        self._check("Device.create_event")
        return Event(self.machine)

    def allocate(self, size: int, *, stream: Any) -> Buffer:
        self._check("Device.allocate")
        if size > self.machine.free_memory:
            raise DriverError("CUDA_ERROR_OUT_OF_MEMORY")
        return Buffer(self.machine, size)

    @property
    def default_stream(self) -> "Stream":
        return self.machine.default_stream

    def _check(self, name: str) -> None:
        self.machine.called(name)
        assert self.machine.context == self.name, f"{name} while {self.machine.context} is current"


class Driver:
    """As `cuda.bindings.driver`: a status first."""

    def __init__(self, machine: Machine):
        self.machine = machine

    def cuDriverGetVersion(self) -> tuple[int, int]:  # noqa: N802 - the driver's name
        self.machine.called("cuDriverGetVersion")
        return 0, self.machine.driver_version

    def cuCtxGetCurrent(self) -> tuple[int, str]:  # noqa: N802 - the driver's name
        self.machine.called("cuCtxGetCurrent")
        return 0, self.machine.context

    def cuCtxSetCurrent(self, context: str) -> tuple[int]:  # noqa: N802 - the driver's name
        self.machine.context = context
        self.machine.called("cuCtxSetCurrent")
        return (0,)


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


class GpuArray:
    """An array of another library on a GPU, as `FakeView` reads it."""

    def __init__(self, array: np.ndarray, device_id: int = 0, readonly: bool = False):
        self.array, self.device_id, self.readonly = array, device_id, readonly
        self.asked: list[int] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device_id


class View:
    """As `cuda.core.utils.StridedMemoryView`."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: Any, device_id: int):
        self.ptr, self.shape, self.dtype, self.device_id = address, shape, np.dtype(dtype), device_id
        self.strides: tuple[int, ...] | None = None
        self.readonly, self.is_device_accessible = False, device_id >= 0

    @classmethod
    def from_any_interface(cls, array: Any, stream: int) -> "View":
        if isinstance(array, np.ndarray):
            return cls(0, array.shape, array.dtype, -1)
        array.asked.append(stream)
        view = cls(array.array.ctypes.data, array.array.shape, array.array.dtype, array.device_id)
        view.strides = tuple(step // array.array.itemsize for step in array.array.strides)
        view.readonly = array.readonly
        return view

    @classmethod
    def from_buffer(cls, buffer: Buffer, shape: tuple[int, ...], *, dtype: Any) -> "View":
        view = cls(buffer.handle, shape, dtype, 0)
        view.buffer = buffer  # type: ignore[attr-defined] # keeps the memory
        return view

    def __dlpack__(self, **_: Any) -> np.ndarray:
        return array_at(self.ptr, self.shape)


class FrameDriver(Driver):
    """With the copies and fills that frames need."""

    def __init__(self, machine: Machine):
        from cuda.bindings import driver

        super().__init__(machine)
        self.CUDA_MEMCPY3D, self.CUmemorytype = driver.CUDA_MEMCPY3D, driver.CUmemorytype

    def cuMemcpy3DAsync(self, task: Any, stream: int) -> tuple[int]:  # noqa: N802 - the driver's name
        self.machine.called("cuMemcpy3DAsync")
        names = ("Device", "Pitch", "Height")
        source, target = (tuple(int(getattr(task, side + name)) for name in names) for side in ("src", "dst"))
        rows = [(z, y) for z in range(int(task.Depth)) for y in range(int(task.Height))]
        width = int(task.WidthInBytes)

        def copy() -> None:
            for z, y in rows:
                places = [address + (z * height + y) * pitch for address, pitch, height in (target, source)]
                ctypes.memmove(places[0], places[1], width)

        STREAMS[stream].do(copy)
        return (0,)

    def cuMemsetD2D8Async(  # noqa: N802 - the driver's name
        self, address: int, pitch: int, value: int, width: int, height: int, stream: int
    ) -> tuple[int]:
        self.machine.called("cuMemsetD2D8Async")
        STREAMS[stream].do(lambda: [ctypes.memset(address + y * pitch, value, width) for y in range(height)] and None)
        return (0,)

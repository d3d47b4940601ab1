"""A GPU that does not exist: the driver and `cuda-core`, with the real names, memory, streams and events.

Nothing on a stream runs before somebody waits for it, and then only what it depends on: an order that no event enforces
shows as wrong bytes. Every call goes through `Machine.called`, which records its name and can make it fail once.
"""

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

    def cuInit(self, flags: int) -> tuple[int]:  # noqa: N802 - the driver's name
        return (0,)

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

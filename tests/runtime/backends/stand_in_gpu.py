"""A GPU that does not exist: the driver and `cuda-core`, with the real names, memory, streams and events.

What `cuda-core` refuses is refused; `test_driver.py` runs the real one, on a driver that does not exist.

Nothing on a stream runs before somebody waits for it, and then only what it depends on: an order that no event enforces
shows as wrong bytes. Every call goes through `Machine.called`, which records its name and can make it fail once.
"""

import itertools
import threading
import weakref
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
        """The name of the call that fails, once."""
        self.fail_at = -1
        """Or its number among all calls, from 0."""
        self.failed: Any = None
        self.failed_name = ""
        self._numbers = itertools.count()
        self.opened: list[weakref.ref[Handle]] = []
        self._current = threading.local()
        self.driver_version = 13000
        self.devices = 1
        self.default_stream = Stream(self)
        self.opened.clear()
        self.free_memory = 1 << 30
        self.graphs: dict[int, Any] = {}
        """The work of those that are not destroyed, by handle."""
        self.captures_invalidated = False
        self.freed: list[np.ndarray] = []
        """Memory that was freed, kept: work that still uses it finds wrong bytes there, not the end of the process."""
        self.pooled = 0
        """Bytes that the process keeps for `cuda-core`, free or not."""

    @property
    def context(self) -> str:
        """What is current on this thread."""
        return getattr(self._current, "context", "the caller's")

    @context.setter
    def context(self, context: str) -> None:
        self._current.context = context

    def called(self, name: str, owner: Any = None) -> None:
        """Note a call; raise if this is the one that fails."""
        number = next(self._numbers)
        self.calls.append(name)
        if name == self.fail or number == self.fail_at:
            self.fail, self.fail_at, self.failed, self.failed_name = None, -1, owner, name
            raise DriverError(f"{name}: injected\nsecond line")

    def open_of(self, *kinds: str) -> list[Any]:
        """What was opened, is neither closed nor collected, and is of these kinds; of any if none are given."""
        alive = [each for reference in self.opened if (each := reference()) is not None]
        return [each for each in alive if not each.closed and (not kinds or each.kind in kinds)]

    def left_open(self) -> list[Any]:
        """What was opened and not closed; what failed to close is not counted."""
        return [each for each in self.open_of() if each is not self.failed] + [*self.graphs]


class Handle:
    """Something to close."""

    def __init__(self, machine: Machine, kind: str):
        self.machine, self.kind, self.closed = machine, kind, False
        machine.opened.append(weakref.ref(self))

    def close(self) -> None:
        self.machine.called(f"{self.kind}.close", self)
        self.closed = True

    def check_open(self) -> None:
        assert not self.closed, f"a {self.kind} that was closed"

    def __repr__(self) -> str:
        return self.kind


class Buffer(Handle):
    """Memory, as `cuda.core.Buffer`."""

    def __init__(self, machine: Machine, size: int, kind: str = "Buffer"):
        super().__init__(machine, kind)
        self.memory = np.empty(size, np.uint8)
        self.memory.fill(0xAB)
        weakref.finalize(self, self._free, machine, self.memory)
        self.size, self.handle = size, self.memory.ctypes.data

    def close(self, stream: "Stream | None" = None) -> None:
        if stream is not None:
            stream.check_open()
        super().close()
        self._free(self.machine, self.memory)

    @staticmethod
    def _free(machine: Machine, memory: np.ndarray) -> None:
        memory.fill(0xDD)
        machine.freed.append(memory)

    def copy_from(self, src: "Buffer", *, stream: "Stream") -> None:
        self.machine.called("Buffer.copy_from")
        stream.do(self._copy(self, src))

    def copy_to(self, dst: "Buffer", *, stream: "Stream") -> None:
        self.machine.called("Buffer.copy_to")
        stream.do(self._copy(dst, self))

    def fill(self, value: int, *, stream: "Stream") -> None:
        self.machine.called("Buffer.fill")
        assert 0 <= value < 256
        self.check_open()
        stream.do(lambda: self.memory.fill(value))

    @staticmethod
    def _copy(dst: "Buffer", src: "Buffer") -> Callable[[], None]:
        if dst.size != src.size:
            raise ValueError("buffer sizes mismatch")

        def copy() -> None:
            for buffer in (dst, src):
                buffer.check_open()
            dst.memory[:] = src.memory

        return copy


class Event(Handle):
    """A point on a stream."""

    def __init__(self, machine: Machine):
        super().__init__(machine, "Event")
        self.stream: Any = None
        self.position = 0
        self.timed = False

    def __sub__(self, earlier: "Event") -> float:
        """Milliseconds between two points of a stream: one for each piece of work."""
        assert self.stream is earlier.stream, "events of two streams"
        assert self.timed and earlier.timed, "an event without timing"
        assert self.stream.ran >= self.position, "an event that is still to come"
        return float(self.position - earlier.position)

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
        self.recorded: list[Callable[[], None]] | None = None
        """What a capture has recorded; None while there is none."""
        STREAMS[self.handle] = self

    def do(self, work: Callable[[], None]) -> None:
        self.check_open()
        (self.work if self.recorded is None else self.recorded).append(work)

    def run(self, position: int) -> None:
        with RUNNING:
            while self.ran < position:
                self.ran += 1
                work, self.work[self.ran - 1] = self.work[self.ran - 1], nothing
                work()

    def sync(self) -> None:
        self.machine.called("Stream.sync")
        self.check_open()
        assert self.recorded is None, "a stream that captures cannot be synchronised"
        self.run(len(self.work))

    def record(self, event: Event | None = None, options: Any = None) -> Event:
        self.machine.called("Stream.record")
        self.check_open()
        event = event or Event(self.machine)
        event.check_open()
        event.stream, event.position = self, len(self.work)
        event.timed = options is not None and options.timing_enabled
        return event

    def wait(self, event_or_stream: "Event | Stream") -> None:
        self.machine.called("Stream.wait")
        event_or_stream.check_open()
        stream, position = event_or_stream, 0
        if isinstance(event_or_stream, Event):
            stream, position = event_or_stream.stream, event_or_stream.position
        else:
            position = len(event_or_stream.work)
        if stream is not None:  # to wait for an event that was never recorded is to wait for nothing
            self.do(lambda: stream.run(position))


def nothing() -> None:
    """Work that is done, and holds no memory."""


RUNNING = threading.RLock()
"""The stand-in runs on the threads that wait, one at a time."""

STREAMS: dict[int, Any] = {}
"""By handle, for libraries that are given one."""


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
        stream.check_open()
        assert size > 0
        self.machine.pooled += size
        return Buffer(self.machine, size)

    @property
    def memory_resource(self) -> SimpleNamespace:
        return SimpleNamespace(handle="pool")

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

    def cuMemPoolTrimTo(self, pool: str, keep: int) -> tuple[int]:  # noqa: N802 - the driver's name
        self.machine.called("cuMemPoolTrimTo")
        assert pool == "pool"
        self.machine.pooled = max(keep, sum(buffer.size for buffer in self.machine.open_of("Buffer")))
        return (0,)

    def cuCtxSetCurrent(self, context: str) -> tuple[int]:  # noqa: N802 - the driver's name
        self.machine.context = context
        self.machine.called("cuCtxSetCurrent")
        return (0,)

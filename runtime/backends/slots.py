"""What belongs to one shape: an execution context, its tensors and its CUDA graph; kept, reused and evicted.

A captured CUDA graph is undefined once its context is changed, so each shape has a context of its own. Two sets of them
for one shape let the copies of one image overlap the network of another.
"""

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import BackendError
from .gpu import first_line
from .graph import CudaGraph
from .memory import ActivationPool, Binding, Memory, Shape

SHAPES_KEPT = 4
"""Shapes whose contexts, buffers and graphs are kept; the least recently used one goes first."""

SETS = 2
"""Contexts and buffers of one shape, at most: one is copied while the other one runs."""

CLOSED = "this Inpainter was closed"

log = logging.getLogger("inpaintrt")


class Slot:
    """One context with the tensors of one shape. Leased to one call at a time."""

    def __init__(self, context: Any, bindings: Mapping[str, Binding], inputs: tuple[str, ...], events: list[Any]):
        self.context = context
        self.bindings = bindings
        self.inputs = inputs
        self.memory_needed = int(context.update_device_memory_size_for_shapes())
        self.copied, self.executed, self.done = events
        self.used = False
        """Whether `done` was ever recorded."""
        self.warm = False
        """Whether the network ran on this memory: the run that capturing a graph needs before it."""
        self.capturable = True
        self._graph: CudaGraph | None = None
        self._version = -1

    def prepare(self, pool: ActivationPool) -> None:
        """Let the context use the pool; a graph that was captured with other memory goes."""
        pool.fit(self.memory_needed)
        if self._version != pool.version:
            self.drop_graph()
            self.warm = False
            self.context.set_device_memory(pool.address, pool.size)
            self._version = pool.version

    def execute(self, stream: Any, name: str) -> None:
        """Enqueue the network."""
        if not self.context.execute_async_v3(int(stream.handle)):
            shape = self.bindings["image"].shape
            raise BackendError(f"{name}: the engine failed to run on images of shape {shape}")

    def launch(self, stream: Any, device: Any, name: str) -> bool:
        """Launch the graph, captured first where it is time for it; False where the network must run plainly."""
        if self._graph is None and self.warm and self.capturable:
            try:
                self._graph = CudaGraph.capture(device, lambda captured: self.execute(captured, name))
            except Exception as error:  # such as another thread's cudaDeviceSynchronize: it costs speed, never the call
                self.capturable = False
                shape = self.bindings["image"].shape
                log.warning("%s: no CUDA graph for %s: %s; running without", name, shape, first_line(error))
        if self._graph is None:
            return False
        self._graph.launch(stream)
        return True

    def drop_graph(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.close()

    def close(self, stream: Any) -> None:
        """Free all of it, whatever part of it fails."""
        with contextlib.ExitStack() as stack:  # last in, first out
            for event in (self.copied, self.executed, self.done):
                stack.callback(event.close)
            for binding in self.bindings.values():
                stack.callback(binding.close, stream)
            stack.callback(self.drop_graph)
            self.context = None


class Slots:
    """The slots of a backend, by shape. Threads that find none free wait for one."""

    def __init__(self, make: Callable[[Mapping[str, Shape]], Slot], free: Callable[[Slot], None]):
        """Slots that `make` makes for the shapes of the inputs, and `free` frees."""
        self._make, self._free = make, free
        self._changed = threading.Condition()
        self._of: OrderedDict[Shape, list[Slot]] = OrderedDict()
        self._busy: set[int] = set()
        self._held = 0
        self._closed = False

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Keep `close` waiting, for a call that leases more than once.

        Raises:
            BackendError: if they were closed.
        """
        with self._changed:
            if self._closed:
                raise BackendError(CLOSED)
            self._held += 1
        try:
            yield
        finally:
            with self._changed:
                self._held -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def lease(self, shapes: Mapping[str, Shape]) -> Iterator[Slot]:
        """A slot for inputs of these shapes, for one call. One whose call failed is freed and not used again.

        Raises:
            BackendError: if they were closed.
        """
        key = shapes["image"]
        slot = self._take(key, shapes)
        try:
            yield slot
        except BaseException:
            with self._changed:
                self._of[key].remove(slot)
                self._busy.discard(id(slot))
                self._changed.notify_all()
                with contextlib.suppress(Exception):  # the call's own error is the one to be told
                    self._free(slot)
            raise
        with self._changed:
            self._busy.discard(id(slot))
            self._changed.notify_all()

    def _take(self, key: Shape, shapes: Mapping[str, Shape]) -> Slot:
        with self._changed:
            while True:
                if self._closed:
                    raise BackendError(CLOSED)
                slots = self._of.setdefault(key, [])
                self._of.move_to_end(key)
                slot = next((each for each in slots if id(each) not in self._busy), None)
                if slot is None and len(slots) < SETS:
                    self._evict(key)
                    slot = self._make(shapes)
                    slots.append(slot)
                if slot is not None:
                    self._busy.add(id(slot))
                    return slot
                self._changed.wait()

    def _evict(self, keep: Shape) -> None:
        for key in [key for key, slots in self._of.items() if not slots and key != keep]:
            del self._of[key]
        idle = [key for key, slots in self._of.items() if key != keep and not any(id(s) in self._busy for s in slots)]
        while len(self._of) > SHAPES_KEPT and idle:
            self._free_all(self._of.pop(idle.pop(0)))

    def _free_all(self, slots: Iterable[Slot]) -> None:
        """Free some slots, whichever of them fails."""
        with contextlib.ExitStack() as stack:
            for slot in slots:
                stack.callback(self._free, slot)

    def memory(self) -> Memory:
        """Bytes of the tensors; those of the pool are not among them."""
        with self._changed:
            sizes = [b.size for slots in self._of.values() for slot in slots for b in slot.bindings.values()]
        return Memory(0, sum(sizes), sum(sizes))

    def close(self) -> bool:
        """Wait for the calls that run, then free all; False if they were closed before."""
        with self._changed:
            if self._closed:
                return False
            self._closed = True
            self._changed.notify_all()
            while self._busy or self._held:
                self._changed.wait()
            slots = [slot for slots in self._of.values() for slot in slots]
            self._of.clear()
            self._free_all(slots)
        return True

"""TensorRT and TensorRT-RTX engines, with device memory, streams, events and graphs from `cuda-core`.

Copies in, network and copies out run on three streams, ordered by events, so that those of successive calls overlap.
Images are written straight into pinned memory, and read from it once.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Artifact, Bundle
from ..errors import BackendError, ImageError
from .engine import LoadedEngine
from .gpu import call_driver, current, library_errors, open_device
from .memory import ActivationPool, Binding, Memory, Shape
from .slots import SETS, SHAPES_KEPT, Slot, Slots

__all__ = ["SHAPES_KEPT", "TensorRTBackend"]

Copy = Callable[[Slot, Any], None]
"""Enqueues the copies of a slot's inputs, or of its outputs, on a stream."""


class TensorRTBackend:
    """One engine on a local GPU. Threads may share it: their copies overlap, their networks take turns."""

    parallel = SETS

    def __init__(self, bundle: Bundle, engine: Artifact, device_id: int = 0):
        """Load an engine, and prepare it for the best size of its profile, so that a failure shows now.

        Args:
            bundle: that the engine belongs to.
            engine: built for this GPU by the installed version of its library.
            device_id: which GPU.

        Raises:
            BackendError: if the library or a GPU is missing, the engine does not load, or the GPU's memory
                is too small.
            BundleError: if the engine file is missing or altered.
        """
        self.name = f"{engine.backend} {engine.precision}"
        self.device_id = device_id
        self._outputs = bundle.interface.outputs
        self._dtype = np.dtype(np.uint8 if bundle.interface.io == "image" else np.float32)
        self._lock = threading.Lock()
        self._slots = Slots(self._make_slot, self._free_slot)
        self._opened = contextlib.ExitStack()
        """Frees what is open, last in, first out."""
        self.device = open_device(device_id)
        with library_errors(f"{self.name}: opening"):
            try:
                with current(self.device):
                    self._open(bundle, engine)
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is the one to be told
                    self.close()
                raise

    def _open(self, bundle: Bundle, engine: Artifact) -> None:
        self._streams: list[Any] = []
        for _ in range(3):
            self._streams.append(self.device.create_stream())
            self._opened.callback(self._streams[-1].close)
        self.copy_in, self._compute, self.copy_out = self._streams
        self._opened.callback(self._give_back)
        self._engine = LoadedEngine(bundle, engine)
        self._opened.callback(self._engine.close)
        self._opened.callback(self._engine.store_cache)
        self._pool = ActivationPool(self.device, self._compute)
        self._opened.callback(self._pool.free)
        profile = bundle.interface.profile
        best = bundle.interface.input_shapes(profile.batch[1], profile.height[1], profile.width[1])
        with self._slots.lease(best) as slot:
            slot.prepare(self._pool)

    @property
    def memory(self) -> Memory:
        """Bytes that are held now, besides the weights."""
        return self._slots.memory() + Memory(self._pool.size, 0, 0)

    def run(self, inputs: Mapping[str, NDArray[np.uint8]], size: Shape | None = None) -> NDArray[np.uint8]:
        """As `Backend.run`.

        Raises:
            BackendError: if the engine does not take this shape, its execution fails, or it was closed.
        """
        composite: NDArray[np.uint8] = self.run_tensors(inputs, size)["composite"]
        return composite

    def run_tensors(self, inputs: Mapping[str, NDArray[Any]], size: Shape | None = None) -> dict[str, NDArray[Any]]:
        """Run the engine on its own tensors: all inputs by name to all outputs by name; also for `--io tensor`.

        Raises:
            BackendError: as `run`.
        """
        with library_errors(f"{self.name}: running"), self._slots.lease(padded_shapes(inputs, size)) as slot:
            for name, value in inputs.items():
                slot.bindings[name].write(value)
            self.enqueue(slot, self._copy_inputs, self._copy_outputs)
            slot.done.sync()
            corner = () if size is None else inputs["image"].shape[:3]
            return {name: slot.bindings[name].read(corner) for name in self._outputs}

    def enqueue(self, slot: Slot, copy_in: Copy, copy_out: Copy) -> None:
        """Copies in, network and copies out of a leased slot, each on its stream; `slot.done` tells when they are."""
        with self._lock, current(self.device):
            try:
                if slot.used:
                    self.copy_in.wait(slot.done)
                copy_in(slot, self.copy_in)
                self.copy_in.record(slot.copied)
                self._compute.wait(slot.copied)
                slot.prepare(self._pool)
                self._execute(slot)
                self._compute.record(slot.executed)
                self.copy_out.wait(slot.executed)
                copy_out(slot, self.copy_out)
                self.copy_out.record(slot.done)
                slot.used = True
            except BaseException:
                self.settle()  # what was enqueued may use the slot's memory, which goes
                raise

    def _execute(self, slot: Slot) -> None:
        if self._engine.has_own_graphs or not slot.launch(self._compute, self.device, self.name):
            slot.execute(self._compute, self.name)
        slot.warm = True

    def opened(self) -> contextlib.AbstractContextManager[None]:
        """Keep `close` waiting while a call uses the streams, see `frames`."""
        return self._slots.opened()

    @contextlib.contextmanager
    def lease(self, shapes: Mapping[str, Shape]) -> Iterator[Slot]:
        """A slot for a call that brings its own copies, see `frames`."""
        with library_errors(f"{self.name}: running"), self._slots.lease(shapes) as slot:
            yield slot

    def caller_stream(self, stream: Any) -> Any:
        """The stream whose order a caller works in, as `cuda-core`'s: the default one unless given.

        Args:
            stream: a handle, anything with `__cuda_stream__` or `cuda_stream` (torch), or None. One given by its
                handle must outlive what is allocated on it.

        Raises:
            ImageError: if it is no handle.
        """
        if stream is None:
            return self.device.default_stream
        if hasattr(stream, "__cuda_stream__"):
            return self.device.create_stream(stream)
        from cuda.core import Stream  # only with a GPU

        handle = int(getattr(stream, "cuda_stream", stream))
        if handle < 0:
            raise ImageError(f"stream is {handle}; give the handle of a stream, or leave it out to wait for the result")
        return Stream.from_handle(handle)

    def time_parts(self, inputs: Mapping[str, NDArray[Any]], rounds: int) -> dict[str, list[float]]:
        """Seconds of copies in, network and copies out, by events of the device, for each of some runs.

        What is timed is what runs in earnest: the graph is captured before, where there is one.

        Raises:
            BackendError: as `run`.
        """
        from cuda.core import EventOptions  # only with a GPU

        timed = EventOptions(timing_enabled=True)
        seconds: dict[str, list[float]] = {"host to device": [], "compute": [], "device to host": []}
        parts = (self._copy_inputs, lambda slot, _: self._execute(slot), self._copy_outputs)
        with library_errors(f"{self.name}: timing"), self._slots.lease(padded_shapes(inputs, None)) as slot:
            for name, value in inputs.items():
                slot.bindings[name].write(value)
            with self._lock, current(self.device):
                slot.prepare(self._pool)
                if slot.used:
                    self._compute.wait(slot.done)
                self._copy_inputs(slot, self._compute)
                for _ in range(2):  # the plain run, and the one at which the graph is captured
                    self._execute(slot)
                for _ in range(rounds):
                    for name, taken in zip(seconds, self._time_once(parts, slot, timed), strict=True):
                        seconds[name].append(taken)
        return seconds

    def _time_once(self, parts: tuple[Copy, ...], slot: Slot, timed: Any) -> list[float]:
        """Seconds of each part of one run on the compute stream."""
        with contextlib.ExitStack() as stack:
            marks = [self._compute.record(options=timed)]
            for part in parts:
                part(slot, self._compute)
                marks.append(self._compute.record(options=timed))
            for mark in marks:
                stack.callback(mark.close)
            self._compute.sync()
            return [(end - start) / 1000 for start, end in itertools.pairwise(marks)]  # from milliseconds

    def close(self) -> None:
        """As `Backend.close`; stores the runtime cache of TensorRT-RTX.

        Raises:
            BackendError: if something could not be freed; the rest is.
        """
        with library_errors(f"{self.name}: closing"), contextlib.ExitStack() as stack:
            stack.callback(self._close_engine)
            if not self._slots.close():
                stack.pop_all()

    def _close_engine(self) -> None:
        with self._lock, self._current_if_possible():
            self._opened.close()

    def _give_back(self) -> None:
        """Let other allocators have what is free: `cuda-core` would keep it in a pool of this process."""
        self.settle()  # memory is free when its stream comes to it
        pool = getattr(self.device.memory_resource, "handle", None)
        if pool is not None:
            call_driver("cuMemPoolTrimTo", pool, 0)

    def _make_slot(self, shapes: Mapping[str, Shape]) -> Slot:
        opened = contextlib.ExitStack()
        with self._lock:
            try:
                with current(self.device):
                    return self._slot_for(shapes, opened)
            except BaseException:
                with self._current_if_possible(), opened:
                    raise

    def _slot_for(self, shapes: Mapping[str, Shape], opened: contextlib.ExitStack) -> Slot:
        """A new slot; `opened` frees what it holds."""
        context = self._engine.create_context()
        if context is None:
            raise BackendError(f"{self.name}: no execution context for {shapes['image']}; too little GPU memory?")
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise BackendError(f"{self.name}: the engine does not take {name} of shape {shape}")
        all_shapes = dict(shapes) | {name: tuple(context.get_tensor_shape(name)) for name in self._outputs}
        bindings = {}
        for name, shape in all_shapes.items():
            bindings[name] = Binding(name, shape, self._dtype, self.device, self.copy_in)
            opened.callback(bindings[name].close, self.copy_in)
            if not context.set_tensor_address(name, int(bindings[name].device.handle)):
                raise BackendError(f"{self.name}: the engine does not take memory for {name}; rebuild it")
        events = []
        for _ in range(3):
            events.append(self.device.create_event())
            opened.callback(events[-1].close)
        self.copy_in.sync()  # the memory is there for the other streams, too
        return Slot(context, bindings, tuple(shapes), events)

    def _free_slot(self, slot: Slot) -> None:
        with self._lock, self._current_if_possible():
            self.settle()
            slot.close(self.copy_in)

    @contextlib.contextmanager
    def _current_if_possible(self) -> Iterator[None]:
        """For freeing, which must go on whatever fails."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(Exception):
                stack.enter_context(current(self.device))
            yield

    def settle(self) -> None:
        """Wait for all streams, whatever they say: what ran on them must not use memory that goes."""
        for stream in 2 * self._streams:  # twice, since a wait can fail once for what another call did
            with contextlib.suppress(Exception):
                stream.sync()

    def _copy_inputs(self, slot: Slot, stream: Any) -> None:
        for name in slot.inputs:
            slot.bindings[name].device.copy_from(slot.bindings[name].pinned, stream=stream)

    def _copy_outputs(self, slot: Slot, stream: Any) -> None:
        for name in self._outputs:
            slot.bindings[name].device.copy_to(slot.bindings[name].pinned, stream=stream)


def padded_shapes(inputs: Mapping[str, NDArray[Any]], size: Shape | None) -> dict[str, Shape]:
    """The shapes that the network runs at: those of the inputs, or with (N,H,W) of `size`."""
    return {name: value.shape if size is None else (*size, *value.shape[3:]) for name, value in inputs.items()}

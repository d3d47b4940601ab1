"""TensorRT and TensorRT-RTX engines, with device memory, streams and graphs from `cuda-core`.

Both libraries have the same Python interface; what differs is that TensorRT-RTX compiles its engine to the GPU when it
is loaded and keeps the result in a runtime cache, which is stored beside the engine.

Buffers and an execution context belong to each shape: a captured CUDA graph is undefined once its context is changed.
The second call with a shape captures copies and network into a graph, which later calls replay; the first one is the
warm-up that capturing needs.
"""

import contextlib
import ctypes
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Artifact, Bundle
from ..errors import BackendError
from .gpu import load_library, open_device

SHAPES_KEPT = 4
"""Shapes whose context, buffers and graph are kept; the least recently used one goes first."""

Shape = tuple[int, ...]


@dataclass
class _Binding:
    """One tensor: memory on the device, pinned memory on the host, and the latter as an array."""

    device: Any
    pinned: Any
    array: NDArray[Any]

    def close(self, stream: Any) -> None:
        self.device.close(stream)
        self.pinned.close(stream)


@dataclass
class _Shaped:
    """What belongs to one shape of the image."""

    context: Any
    bindings: dict[str, _Binding]
    inputs: tuple[str, ...]
    calls: int = 0
    graph: Any = None

    def close(self, stream: Any) -> None:
        if self.graph is not None:
            self.graph.close()
        self.context = None
        for binding in self.bindings.values():
            binding.close(stream)


class TensorRTBackend:
    """One engine on the local GPU. Threads take turns: an execution context serves one call at a time."""

    parallel = 1

    def __init__(self, bundle: Bundle, engine: Artifact, device_id: int = 0):
        """Load an engine.

        Args:
            bundle: that the engine belongs to.
            engine: built for this GPU by the installed version of its library.

        Raises:
            BackendError: if the library or a GPU is missing, or the engine does not load.
            BundleError: if the engine file is missing or altered.
        """
        backend = str(engine.backend)
        self.name = f"{backend} {engine.precision}"
        self._lock = threading.Lock()
        self._trt = load_library(backend)
        self._device = open_device(device_id)
        self._stream = self._device.create_stream()
        self._logger = self._trt.Logger(self._trt.Logger.ERROR)
        self._runtime = self._trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(bundle.file(engine))
        if self._engine is None:
            raise BackendError(
                f"{backend} {self._trt.__version__} cannot load {engine.path}, built by version "
                f"{engine.backend_version} for {engine.target}; run build-engines again on this machine"
            )
        self._dtype = np.dtype(np.uint8 if bundle.interface.io == "image" else np.float32)
        self._outputs = bundle.interface.outputs
        self._cache_path = bundle.path / f"{engine.path}.cache"
        self._config: Any
        self._cache: Any
        self._config, self._cache = self._runtime_config() if backend == "tensorrt-rtx" else (None, None)
        self._shaped: OrderedDict[Shape, _Shaped] = OrderedDict()

    def _runtime_config(self) -> tuple[Any, Any]:
        config = self._engine.create_runtime_config()
        cache = config.create_runtime_cache()
        if self._cache_path.is_file():
            # A cache of another driver or GPU is rejected by the library, which then compiles again.
            cache.deserialize(self._cache_path.read_bytes())
        config.set_runtime_cache(cache)
        return config, cache

    def run(self, inputs: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """As `Backend.run`.

        Raises:
            BackendError: if the engine does not take this shape, or its execution fails.
        """
        composite: NDArray[np.uint8] = self.run_tensors(inputs)["composite"]
        return composite

    def run_tensors(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the engine on its own tensors: all inputs by name to all outputs by name; also for `--io tensor`.

        Raises:
            BackendError: as `run`.
        """
        with self._lock:
            if self._engine is None:
                raise BackendError("this Inpainter was closed")
            self._device.set_current()
            shaped = self._shaped_for(inputs)
            if shaped.graph is not None:
                shaped.graph.launch(self._stream)
            elif shaped.calls == 0 or not self._capture(shaped):
                self._enqueue(shaped, self._stream)
            shaped.calls += 1
            self._stream.sync()
            return {name: np.array(shaped.bindings[name].array) for name in self._outputs}

    def time_parts(self, inputs: Mapping[str, NDArray[Any]], rounds: int) -> dict[str, list[float]]:
        """Seconds of copies in, network and copies out, by events of the device, for each of some runs.

        Raises:
            BackendError: as `run`.
        """
        from cuda.core import EventOptions  # only with a GPU

        timed = EventOptions(timing_enabled=True)
        seconds: dict[str, list[float]] = {"host to device": [], "compute": [], "device to host": []}
        with self._lock:
            if self._engine is None:
                raise BackendError("this Inpainter was closed")
            self._device.set_current()
            shaped = self._shaped_for(inputs)
            for _ in range(rounds):
                marks = [self._stream.record(options=timed)]
                for part in (self._copy_in, self._execute, self._copy_out):
                    part(shaped, self._stream)
                    marks.append(self._stream.record(options=timed))
                self._stream.sync()
                for name, start, end in zip(seconds, marks, marks[1:], strict=False):
                    seconds[name].append((end - start) / 1000)  # events are in milliseconds
        return seconds

    def close(self) -> None:
        """As `Backend.close`; stores the runtime cache of TensorRT-RTX."""
        with self._lock:
            if self._engine is None:
                return
            self._store_cache()
            for shaped in self._shaped.values():
                shaped.close(self._stream)
            self._shaped.clear()
            # The order the libraries want: contexts, engine, runtime.
            self._config = self._cache = None
            self._engine = None
            self._runtime = None
            self._stream.sync()
            self._stream.close()

    def _shaped_for(self, inputs: Mapping[str, NDArray[Any]]) -> _Shaped:
        """The buffers of these shapes, with the inputs in their host memory."""
        key = inputs["image"].shape
        shaped = self._shaped.get(key) or self._prepare({name: value.shape for name, value in inputs.items()})
        self._shaped.move_to_end(key)
        for name, value in inputs.items():
            shaped.bindings[name].array[...] = value
        return shaped

    def _prepare(self, shapes: dict[str, Shape]) -> _Shaped:
        arguments = () if self._config is None else (self._config,)
        context = self._engine.create_execution_context(*arguments)
        if context is None:
            raise BackendError(f"{self.name}: no execution context for {shapes['image']}; too little GPU memory?")
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise BackendError(f"{self.name}: the engine does not take {name} of shape {shape}")
        inputs = tuple(shapes)
        shapes = shapes | {name: tuple(context.get_tensor_shape(name)) for name in self._outputs}
        while len(self._shaped) >= SHAPES_KEPT:
            self._shaped.popitem(last=False)[1].close(self._stream)
        shaped = _Shaped(context, {name: self._allocate(shape) for name, shape in shapes.items()}, inputs)
        for name, binding in shaped.bindings.items():
            context.set_tensor_address(name, int(binding.device.handle))
        self._shaped[shapes["image"]] = shaped
        return shaped

    def _allocate(self, shape: Shape) -> _Binding:
        from cuda.core import LegacyPinnedMemoryResource  # only with a GPU

        size = math.prod(shape) * self._dtype.itemsize
        pinned = LegacyPinnedMemoryResource().allocate(size)
        # The array borrows the memory; the binding keeps both together.
        memory = (ctypes.c_uint8 * size).from_address(int(pinned.handle))
        array = np.ctypeslib.as_array(memory).view(self._dtype).reshape(shape)
        return _Binding(self._device.allocate(size, stream=self._stream), pinned, array)

    def _enqueue(self, shaped: _Shaped, stream: Any) -> None:
        """Copies in, network, copy out; `stream` is a stream, or a graph builder that captures them."""
        self._copy_in(shaped, stream)
        self._execute(shaped, stream)
        self._copy_out(shaped, stream)

    def _copy_in(self, shaped: _Shaped, stream: Any) -> None:
        for name in shaped.inputs:
            shaped.bindings[name].device.copy_from(shaped.bindings[name].pinned, stream=stream)

    def _execute(self, shaped: _Shaped, stream: Any) -> None:
        handle = getattr(stream, "stream", stream).handle
        if not shaped.context.execute_async_v3(int(handle)):
            raise BackendError(
                f"{self.name}: the engine failed to run on images of shape {shaped.bindings['image'].array.shape}"
            )

    def _copy_out(self, shaped: _Shaped, stream: Any) -> None:
        for name in self._outputs:
            shaped.bindings[name].device.copy_to(shaped.bindings[name].pinned, stream=stream)

    def _capture(self, shaped: _Shaped) -> bool:
        """Capture a graph and launch it; False where this network cannot be captured."""
        capturable = getattr(shaped.context, "is_stream_capturable", None)
        if capturable is not None and not capturable(int(self._stream.handle)):
            return False
        builder = self._stream.create_graph_builder()
        builder.begin_building("thread_local")
        try:
            self._enqueue(shaped, builder)
        finally:
            builder.end_building()
        shaped.graph = builder.complete()
        builder.close()
        shaped.graph.launch(self._stream)
        return True

    def _store_cache(self) -> None:
        if self._cache is None:
            return
        content = bytes(self._cache.serialize())
        temporary = Path(f"{self._cache_path}.{os.getpid()}")
        # A bundle on a read-only disk works without a cache: the next start compiles again.
        with contextlib.suppress(OSError):
            temporary.write_bytes(content)
            temporary.replace(self._cache_path)

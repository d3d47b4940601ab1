"""Arrays of other libraries on the GPU that does not exist, and the copies that frames need."""

import ctypes
import itertools
from typing import Any

import numpy as np

from .stand_in_gpu import STREAMS, Buffer, Driver, Machine, Stream
from .stand_in_library import array_at


class GpuArray:
    """An array of another library on a GPU, as `View` reads it."""

    def __init__(self, array: np.ndarray, device_id: int = 0, readonly: bool = False, producer: Stream | None = None):
        """`producer` is the stream on which its library works now."""
        self.array, self.device_id, self.readonly = array, device_id, readonly
        self.producer = producer
        self.asked: list[int] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device_id


class InterfaceArray:
    """An array that has the older protocol only, which does not say on which GPU it is."""

    def __init__(self, array: np.ndarray, device_id: int = 0):
        self.array, self.device_id, self.readonly = array, device_id, False
        self.asked: list[int] = []
        ORDINALS[array.ctypes.data] = device_id

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        data = (self.array.ctypes.data, False)
        return {"shape": self.array.shape, "typestr": "|u1", "data": data, "version": 3, "stream": 1}


ORDINALS: dict[int, int] = {}
"""GPUs by the address of an `InterfaceArray`."""


class Capsule(np.ndarray):
    """What DLPack hands over: the bytes, and what keeps them."""

    view_of: "View"


class View:
    """As `cuda.core.utils.StridedMemoryView`."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: Any, device_id: int):
        self.ptr, self.shape, self._dtype, self.device_id = address, shape, np.dtype(dtype), device_id
        self.strides: tuple[int, ...] | None = None
        self.readonly, self.buffer = False, None

    @property
    def dtype(self) -> np.dtype:
        if self._dtype == np.complex64:  # stands for a type that NumPy lacks
            raise NotImplementedError("bfloat is not supported yet")
        return self._dtype

    @classmethod
    def from_any_interface(cls, obj: Any, stream_ptr: int) -> "View":
        if isinstance(obj, np.ndarray):
            raise RuntimeError("NumPy only supports stream=None.")
        obj.asked.append(stream_ptr)
        if getattr(obj, "producer", None) is not None:
            STREAMS[stream_ptr].wait(obj.producer)
        view = cls(obj.array.ctypes.data, obj.array.shape, obj.array.dtype, obj.device_id)
        view.strides = tuple(step // obj.array.itemsize for step in obj.array.strides)
        view.readonly = obj.readonly
        return view

    @classmethod
    def from_buffer(cls, buffer: Buffer, shape: tuple[int, ...], *, dtype: np.dtype) -> "View":
        assert buffer.size == int(np.prod(shape)) * dtype.itemsize
        view = cls(buffer.handle, shape, dtype, 0)
        view.buffer = buffer  # keeps the memory
        return view

    def __dlpack__(self, *, max_version: tuple[int, int] | None = None, copy: bool | None = None) -> np.ndarray:
        if copy:
            raise BufferError("Sorry, not supported: copy=True")
        capsule = array_at(self.ptr, self.shape).view(Capsule)
        capsule.view_of = self
        return capsule


class FrameDriver(Driver):
    """With the copies and fills that frames need."""

    def __init__(self, machine: Machine):
        from cuda.bindings import driver

        super().__init__(machine)
        self._handles = itertools.count(1)
        self.CUDA_MEMCPY3D, self.CUmemorytype = driver.CUDA_MEMCPY3D, driver.CUmemorytype
        self.CUstreamCaptureMode, self.CUpointer_attribute = driver.CUstreamCaptureMode, driver.CUpointer_attribute

    def cuPointerGetAttribute(self, attribute: Any, address: int) -> tuple[int, int]:  # noqa: N802 - the driver's name
        self.machine.called("cuPointerGetAttribute")
        assert attribute == self.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
        return 0, ORDINALS[address]

    def cuStreamBeginCapture(self, stream: int, mode: Any) -> tuple[int]:  # noqa: N802 - the driver's name
        self.machine.called("cuStreamBeginCapture")
        assert mode == self.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        assert STREAMS[stream].recorded is None
        STREAMS[stream].recorded = []
        return (0,)

    def cuStreamEndCapture(self, stream: int) -> tuple[int, int]:  # noqa: N802 - the driver's name
        recorded, STREAMS[stream].recorded = STREAMS[stream].recorded, None
        self.machine.called("cuStreamEndCapture")
        assert recorded is not None
        if self.machine.captures_invalidated:
            return 901, 0  # CUDA destroys the graph
        return 0, self._graph(recorded)

    def cuGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int]:  # noqa: N802 - the driver's name
        self.machine.called("cuGraphInstantiate")
        return 0, self._graph(self.machine.graphs[graph])

    def cuGraphLaunch(self, executable: int, stream: int) -> tuple[int]:  # noqa: N802 - the driver's name
        self.machine.called("cuGraphLaunch")
        for work in self.machine.graphs[executable]:
            STREAMS[stream].do(work)
        return (0,)

    def cuGraphDestroy(self, graph: int) -> tuple[int]:  # noqa: N802 - the driver's name
        del self.machine.graphs[graph]  # a KeyError here ends the process there
        self.machine.called("cuGraphDestroy")
        return (0,)

    def cuGraphExecDestroy(self, executable: int) -> tuple[int]:  # noqa: N802 - the driver's name
        del self.machine.graphs[executable]
        self.machine.called("cuGraphExecDestroy")
        return (0,)

    def _graph(self, work: list[Any]) -> int:
        handle = next(self._handles)
        self.machine.graphs[handle] = work
        return handle

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


def frames(*shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random images uint8 [..,3] and masks of 0 and 1."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8), rng.integers(0, 2, shape, dtype=np.uint8)


def filled(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What the stand-in network makes of them."""
    return np.where(mask[..., None] != 0, 255 - image, image)

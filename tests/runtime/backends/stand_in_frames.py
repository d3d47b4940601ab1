"""Arrays of other libraries on the GPU that does not exist, and the copies that frames need."""

import ctypes
from typing import Any

import numpy as np

from .stand_in_gpu import STREAMS, Buffer, Driver, Machine
from .stand_in_library import array_at


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

"""Frames on the GPU: arrays of other libraries come and go there, and nothing goes through the host.

What is read is anything with `__dlpack__` or `__cuda_array_interface__` on a CUDA device. Without a stream, a call ends
when its work is done; with the caller's stream it only enqueues, in that stream's order.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .arrays import is_on_gpu
from .backends.gpu import call_driver, current, driver, first_line, library_errors
from .backends.memory import Shape
from .backends.tensor_rt import TensorRTBackend
from .errors import ImageError


@dataclass(frozen=True)
class Frame:
    """Bytes [N,H,W,pixel] on the GPU; pixels of a row lie side by side.

    Args:
        address: of the first byte.
        shape: (N,H,W).
        pixel: bytes of a pixel.
        pitch, stride: bytes from one row, and one image, to the next.
        owner: what keeps the memory.
    """

    address: int
    shape: Shape
    pixel: int
    pitch: int
    stride: int
    owner: Any = None

    def part(self, images: slice, rows: slice, columns: slice) -> "Frame":
        """Some images, rows and columns of it; the slices have a start and a stop."""
        offset = images.start * self.stride + rows.start * self.pitch + columns.start * self.pixel
        shape = tuple(each.stop - each.start for each in (images, rows, columns))
        return replace(self, address=self.address + offset, shape=shape)

    def corner(self, shape: Shape) -> "Frame":
        """The first images, rows and columns."""
        return self.part(*(slice(0, size) for size in shape))


def dense(buffer: Any, shape: Shape, pixel: int) -> Frame:
    """All of a buffer that holds (N,H,W) pixels without gaps."""
    return Frame(int(buffer.handle), shape, pixel, shape[2] * pixel, shape[1] * shape[2] * pixel, buffer)


def copy_frame(target: Frame, source: Frame, stream: Any) -> None:
    """Enqueue a copy between frames of one shape.

    Raises:
        BackendError: if the driver refuses.
    """
    count, height, width = source.shape
    together = all(frame.stride % frame.pitch == 0 for frame in (target, source))
    for index in range(1 if together else count):
        task = driver().CUDA_MEMCPY3D()
        for side, frame in (("src", source), ("dst", target)):
            setattr(task, f"{side}MemoryType", driver().CUmemorytype.CU_MEMORYTYPE_DEVICE)
            setattr(task, f"{side}Device", frame.address + index * frame.stride)
            setattr(task, f"{side}Pitch", frame.pitch)
            setattr(task, f"{side}Height", frame.stride // frame.pitch if together else height)
        task.WidthInBytes, task.Height, task.Depth = width * source.pixel, height, count if together else 1
        call_driver("cuMemcpy3DAsync", task, stream.handle)


class GpuImages:
    """Filled images on the GPU, uint8, for any library: `torch.from_dlpack(result)`, `cupy.asarray(result)`.

    The memory is freed in the order of the stream that the call was given, or of the legacy default stream. Who reads
    it on another stream keeps it until that is done, as with torch's tensors.

    Attributes:
        shape: [H,W,3] or [N,H,W,3].
        device_id: which GPU.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, buffer: Any, shape: Shape, device: Any, ready: Any, stream: Any):
        """`ready` is the event after which the bytes are there; `stream` the one whose order they are in."""
        from cuda.core.utils import StridedMemoryView  # only with a GPU

        self.shape, self.device_id = shape, int(device.device_id)
        self._device, self._ready, self._stream = device, ready, stream
        self._view = StridedMemoryView.from_buffer(buffer, shape, dtype=self.dtype)

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """As the protocol says: the consumer's stream waits for the bytes.

        Args:
            stream: of the consumer; 1 or None is the legacy default stream, 2 the one of the thread, -1 waits for
                nothing.
            max_version: that the consumer understands; from (1, 0) on the capsule has a version.
            dl_device: where the consumer wants it; None or where it is.
            copy: not True; nothing is copied.

        Raises:
            BufferError: if the stream is 0, which could be either default stream, or the consumer wants a copy or
                another device.
            BackendError: if the GPU fails.
        """
        if stream == 0:
            raise BufferError("stream 0 could mean either default stream; give 1 or 2")
        if dl_device not in (None, self.__dlpack_device__()):
            raise BufferError(f"the images are on cuda:{self.device_id}, not on device {dl_device}; copy them first")
        if stream != -1:
            from cuda.core import Stream  # only with a GPU

            # A default stream is one of the current device.
            with library_errors("frames: waiting for the bytes"), current(self._device):
                Stream.from_handle(1 if stream is None else stream).wait(self._ready)
        return self._view.__dlpack__(max_version=max_version, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """CUDA, and which GPU."""
        return 2, self.device_id

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3; its stream is the one in whose order the bytes are there."""
        return {
            "shape": self.shape, "typestr": "|u1", "data": (int(self._view.ptr), False), "version": 3,
            "strides": None, "stream": int(self._stream.handle) or 1,
        }  # fmt: skip


def gpu_of(array: Any) -> int | None:
    """The number of the GPU that an array lies on; None where it lies elsewhere."""
    if not is_on_gpu(array):
        return None
    if hasattr(array, "__dlpack_device__"):
        return int(array.__dlpack_device__()[1])
    address = array.__cuda_array_interface__["data"][0]
    ordinal = driver().CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    return int(call_driver("cuPointerGetAttribute", ordinal, address))


def read_frame(name: str, array: Any, backend: TensorRTBackend, stream: Any) -> tuple[Frame, Shape]:
    """An array on the GPU, ready in the order of `stream`, with its own shape.

    Args:
        name: `image`, `mask`, `sketch` or `out`.
        array: uint8 RGB, or a plane of uint8 or bool.
        backend: on whose GPU it must be.
        stream: of `cuda-core`.

    Raises:
        ImageError: if its device, type, layout or shape is wrong, or `out` is read-only.
    """
    from cuda.core.utils import StridedMemoryView  # only with a GPU

    device_id = gpu_of(array)
    if device_id != backend.device_id:
        where = "not on a GPU" if device_id is None else f"on cuda:{device_id}"
        raise ImageError(f"{name} is {where}, but the frames of this call must be on cuda:{backend.device_id}")
    try:
        view = StridedMemoryView.from_any_interface(array, int(stream.handle))
        dtype = view.dtype
    except Exception as error:  # of the library that owns the array
        raise ImageError(f"{name} cannot be read on the GPU: {first_line(error)}") from error
    has_colours = name in ("image", "out")
    types = (np.uint8,) if has_colours else (np.uint8, np.bool_)
    shape = tuple(view.shape)
    wanted = "uint8 [H,W,3] or [N,H,W,3]" if has_colours else "uint8 or bool [H,W] or [N,H,W]"
    if dtype not in types or len(shape) - has_colours not in (2, 3) or (has_colours and shape[-1] != 3):
        raise ImageError(f"{name} is {dtype} {shape}; expected {wanted}")
    if 0 in shape:
        raise ImageError(f"{name} of shape {shape} is empty")
    if name == "out" and view.readonly:
        raise ImageError("out is read-only; give memory that may be written")
    return _layout(name, view, shape, 3 if has_colours else 1), shape


def _layout(name: str, view: Any, shape: Shape, pixel: int) -> Frame:
    planes = shape[:-1] if pixel == 3 else shape
    count, height, width = planes if len(planes) == 3 else (1, *planes)
    packed = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    strides = list(view.strides or packed)
    for axis, size in enumerate(shape):  # along an axis of one, nothing is ever stepped
        if size == 1:
            strides[axis] = packed[axis]
    inner = strides[len(strides) - (2 if pixel == 3 else 1) :]
    pitch = strides[len(planes) - 2]
    stride = strides[0] if len(planes) == 3 else height * pitch
    if inner != ([3, 1] if pixel == 3 else [1]) or pitch < width * pixel or stride < height * pitch:
        raise ImageError(
            f"{name} has strides {tuple(strides)}; its rows must be whole and in order: make it contiguous"
        )
    return Frame(int(view.ptr), (count, height, width), pixel, pitch, stride, view)

"""Fills frames that are on the GPU, with windows, padding and composition as for images on the host."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import padded_size
from .backends.gpu import call_driver, current, library_errors
from .backends.memory import PADDING, Shape
from .backends.slots import Slot
from .backends.tensor_rt import TensorRTBackend
from .bundle import DeployedInterface
from .errors import BackendError, ImageError
from .frames import Frame, GpuImages, copy_frame, dense, gpu_of, read_frame
from .windows import windows_around_holes


def engine_on_gpu_of(image: Any, backend: Any) -> TensorRTBackend:
    """The TensorRT backend on the GPU where an image is.

    Args:
        image: an array on a GPU.
        backend: of an `Inpainter`, for one GPU or several.

    Raises:
        BackendError: if that backend runs no TensorRT engine.
    """
    engines = [each for each in getattr(backend, "backends", (backend,)) if isinstance(each, TensorRTBackend)]
    if not engines:
        raise BackendError(f"{backend.name} takes no frames on a GPU, TensorRT engines do; copy them to the host first")
    with library_errors(f"{backend.name}: frames"):
        device_id = gpu_of(image)
    return next((each for each in engines if each.device_id == device_id), engines[0])


class FrameFiller:
    """Fills frames with the network of one backend."""

    def __init__(
        self, backend: TensorRTBackend, interface: DeployedInterface, fixed_size: tuple[int, int] | None = None
    ):
        """A backend on the frames' GPU, what its network takes, and the size of its mask if that is fixed."""
        self._backend, self._interface, self._fixed_size = backend, interface, fixed_size

    def fill(self, arrays: Mapping[str, Any], out: Any, stream: Any) -> Any:
        """Fill the holes.

        Args:
            arrays: `image` and, where the bundle takes them, `mask` and `sketch`.
            out: what to write to, or None.
            stream: the caller's, or None to end when the work is done.

        Returns:
            `out`, or `GpuImages`.

        Raises:
            ImageError: as `read_frame`, or if shapes do not fit each other.
            BackendError: if the GPU fails.
        """
        backend = self._backend
        with library_errors(f"{backend.name}: frames"), backend.opened(), current(backend.device):
            caller = backend.caller_stream(stream)
            try:
                return self._fill_in_order(arrays, out, caller, stream is None)
            except BaseException:
                backend.settle()  # what was enqueued uses the caller's memory
                raise

    def _fill_in_order(self, arrays: Mapping[str, Any], out: Any, caller: Any, wait: bool) -> Any:
        backend = self._backend
        backend.copy_in.wait(caller)
        backend.copy_out.wait(caller)
        frames, shape = self._read(arrays)
        if out is None:
            buffer = backend.device.allocate(int(np.prod(shape)), stream=caller)
            backend.copy_in.wait(caller)  # the memory is there
            backend.copy_out.wait(caller)
            target = dense(buffer, frames["image"].shape, 3)
        else:
            target, out_shape = read_frame("out", out, backend, backend.copy_out)
            if out_shape != shape:
                raise ImageError(f"out is {out_shape}, but the image is {shape}")
        self._fill(frames, target)
        ready = backend.copy_out.record()
        caller.wait(ready)
        if wait:
            ready.sync()
        return out if out is not None else GpuImages(buffer, shape, backend.device, ready, caller)

    def _read(self, arrays: Mapping[str, Any]) -> tuple[dict[str, Frame], Shape]:
        frames: dict[str, Frame] = {}
        shape: Shape = ()
        for name, array in arrays.items():
            frames[name], found = read_frame(name, array, self._backend, self._backend.copy_in)
            shape = found if name == "image" else shape
            if name == "image" and self._fixed_size not in (None, found[-3:-1]):
                raise ImageError(f"image is {found}, but the fixed mask of this bundle is for {self._fixed_size}")
            if name != "image" and found != shape[:-1]:
                raise ImageError(f"{name} is {found}, but the image needs {shape[:-1]}")
        return frames, shape

    def _fill(self, frames: dict[str, Frame], target: Frame) -> None:
        profile = self._interface.profile
        count, height, width = frames["image"].shape
        if height <= profile.height[2] and width <= profile.width[2]:
            step = profile.batch[2]
            for start in range(0, count, step):
                part = (slice(start, min(start + step, count)), slice(0, height), slice(0, width))
                self._run({name: frame.part(*part) for name, frame in frames.items()}, target.part(*part), None)
        else:
            self._fill_by_windows(frames, target)

    def _fill_by_windows(self, frames: dict[str, Frame], target: Frame) -> None:
        """As `Inpainter` fills large images; the mask is also read by the host, which plans the windows."""
        from cuda.core import LegacyPinnedMemoryResource  # only with a GPU

        backend, mask = self._backend, frames["mask"]
        size = int(np.prod(mask.shape))
        unknown = backend.device.allocate(size, stream=backend.copy_in)
        pinned = LegacyPinnedMemoryResource().allocate(size)
        try:
            left = dense(unknown, mask.shape, 1)
            copy_frame(left, mask, backend.copy_in)
            if target.address != frames["image"].address:  # otherwise they are filled in place
                copy_frame(target, frames["image"], backend.copy_in)
            unknown.copy_to(pinned, stream=backend.copy_in)
            backend.copy_in.sync()
            holes = host_bytes(pinned, size).reshape(mask.shape) != 0
            for index, hole in enumerate(holes):
                self._fill_one(index, hole, frames | {"image": target, "mask": left}, target)
        finally:
            backend.copy_out.sync()
            backend.copy_in.sync()
            unknown.close(backend.copy_in)
            pinned.close(backend.copy_in)

    def _fill_one(self, index: int, hole: NDArray[np.bool_], frames: dict[str, Frame], target: Frame) -> None:
        backend, profile = self._backend, self._interface.profile
        image = slice(index, index + 1)
        for window in windows_around_holes(hole, profile.height[2], profile.width[2]):
            inside = tuple(
                slice(c.start - a.start, c.stop - a.start) for c, a in zip(window.core, window.area, strict=True)
            )
            given = {name: frame.part(image, *window.area) for name, frame in frames.items()}
            self._run(given, target.part(image, *window.core), inside)
            known = frames["mask"].part(image, *window.core)
            _, height, width = known.shape
            arguments = (known.address, known.pitch, 0, width, height)
            call_driver("cuMemsetD2D8Async", *arguments, backend.copy_in.handle)
            backend.copy_in.wait(backend.copy_out.record())  # the next window takes what this one filled for known

    def _run(self, given: Mapping[str, Frame], target: Frame, inside: tuple[slice, ...] | None) -> None:
        """Fill frames that fit the network; `inside`, rows and columns of the result to be written, or all."""
        profile, multiple = self._interface.profile, self._interface.size_multiple
        count, height, width = given["image"].shape
        size = (
            max(count, profile.batch[0]),
            padded_size(height, profile.height, multiple),
            padded_size(width, profile.width, multiple),
        )

        def copy_in(slot: Slot, stream: Any) -> None:
            for name in slot.inputs:
                memory, frame = slot.bindings[name].device, given.get(name)
                if frame is None or frame.shape != size:
                    memory.fill(PADDING[name], stream=stream)  # where no sketch is given, there are no lines
                if frame is not None:
                    copy_frame(dense(memory, size, frame.pixel).corner(frame.shape), frame, stream)

        def copy_out(slot: Slot, stream: Any) -> None:
            rows, columns = inside or (slice(0, height), slice(0, width))
            composite = dense(slot.bindings["composite"].device, size, 3)
            copy_frame(target, composite.part(slice(0, count), rows, columns), stream)

        shapes: dict[str, Shape] = {name: (*size, 3) if name == "image" else size for name in self._interface.inputs}
        with self._backend.lease(shapes) as slot:
            self._backend.enqueue(slot, copy_in, copy_out)


def host_bytes(pinned: Any, size: int) -> NDArray[np.uint8]:
    """Pinned memory as an array that borrows it."""
    import ctypes

    found: NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(pinned.handle)))
    return found

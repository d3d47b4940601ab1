"""Fills frames that are on the GPU, with windows, padding and composition as for images on the host."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import padded_shape
from .backends.gpu import call_driver, current, library_errors
from .backends.memory import PADDING, Shape
from .backends.slots import Slot
from .backends.tensor_rt import TensorRTBackend
from .bundle import DeployedInterface
from .errors import BackendError, ImageError
from .frames import Frame, GpuImages, copy_frame, dense, gpu_of, read_frame
from .host_filling import HostFiller
from .window_sizes import Choice
from .windows import Plan, plan_windows

Area = tuple[slice, slice]


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

    def fill(self, arrays: Mapping[str, Any], out: Any, stream: Any, choice: Choice = "auto") -> Any:
        """Fill the holes.

        Args:
            arrays: `image` and, where the bundle takes them, `mask` and `sketch`.
            out: what to write to, or None.
            stream: the caller's, or None to end when the work is done.
            choice: whole frames or windows; with `auto`, frames that the network takes as a whole are not looked at.

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
                return self._fill_in_order(arrays, out, caller, stream is None, choice)
            except BaseException:
                backend.settle()  # what was enqueued uses the caller's memory
                raise

    def _fill_in_order(self, arrays: Mapping[str, Any], out: Any, caller: Any, wait: bool, choice: Choice) -> Any:
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
        self._fill(frames, target, choice)
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

    def _fill(self, frames: dict[str, Frame], target: Frame, choice: Choice) -> None:
        profile = self._interface.profile
        count, height, width = frames["image"].shape
        largest = (profile.height[2], profile.width[2]) if isinstance(choice, str) else (choice, choice)
        if self._fixed_size or (height <= largest[0] and width <= largest[1]):
            step = profile.batch[2]
            whole = slice(0, height), slice(0, width)
            for start in range(0, count, step):
                part = (slice(start, min(start + step, count)), *whole)
                self._run({name: frame.part(*part) for name, frame in frames.items()}, target, part, [whole])
        else:
            self._fill_by_windows(frames, target, choice)

    def _fill_by_windows(self, frames: dict[str, Frame], target: Frame, choice: Choice) -> None:
        """As `HostFiller` fills large images; the mask is also read by the host, which plans the windows."""
        backend, mask = self._backend, frames["mask"]
        unknown = backend.device.allocate(int(np.prod(mask.shape)), stream=backend.copy_in)
        try:
            backend.copy_in.wait(backend.copy_out)  # which waits for what still reads `out`
            left = dense(unknown, mask.shape, 1)
            copy_frame(left, mask, backend.copy_in)
            if target.address != frames["image"].address:  # otherwise they are filled in place
                copy_frame(target, frames["image"], backend.copy_in)
            backend.copy_in.wait(backend.copy_out.record())
            backend.copy_out.wait(backend.copy_in.record())
            for index, hole in enumerate(self._read_back(left)[..., 0] != 0):
                if hole.any():
                    plan = plan_windows(hole, self._interface, choice)
                    self._fill_one(index, plan, frames | {"mask": left}, target)
        finally:
            backend.copy_out.sync()
            backend.copy_in.sync()
            unknown.close(backend.copy_in)

    def _fill_one(self, index: int, plan: Plan, frames: dict[str, Frame], target: Frame) -> None:
        """Fill one frame; those with holes that are filled at a smaller scale go through the host."""
        backend, image = self._backend, slice(index, index + 1)
        if any(window.scale > 1 for windows in plan.rounds for window in windows):
            one = {name: _image(frame, index) for name, frame in frames.items()}
            self._fill_on_host(one, _image(target, index), plan)
            return
        in_place = target.address == frames["image"].address
        for number, windows in enumerate(plan.rounds):
            parts = [(window.area, plan.rectangles(window)) for window in windows]
            source = frames if number == 0 else frames | {"image": target}
            for area, rectangles in parts:
                given = {name: frame.part(image, *area) for name, frame in source.items()}
                self._run(given, target, (image, *area), rectangles)
                if number or in_place:  # what this one reads, the one before it may not be writing
                    backend.copy_in.wait(backend.copy_out.record())
            for rows, columns in (rectangle for _, rectangles in parts for rectangle in rectangles):
                known = frames["mask"].part(image, rows, columns)
                _, height, width = known.shape
                arguments = (known.address, known.pitch, 0, width, height)
                call_driver("cuMemsetD2D8Async", *arguments, backend.copy_in.handle)
            backend.copy_in.wait(backend.copy_out.record())  # the next round takes what this one filled for known

    def _fill_on_host(self, frames: dict[str, Frame], target: Frame, plan: Plan) -> None:
        arrays = {name: self._read_back(frame)[0] for name, frame in frames.items()}
        image, hole = arrays["image"], arrays["mask"][..., 0] != 0
        line = arrays["sketch"][..., 0] != 0 if "sketch" in arrays else np.zeros_like(hole)
        HostFiller(self._backend, self._interface).fill_windows(image, hole, line, plan)
        self._write(target, image)

    def _read_back(self, frame: Frame) -> NDArray[np.uint8]:
        """A frame as [N,H,W,pixel] on the host."""
        with self._staging(frame) as (buffer, pinned):
            copy_frame(dense(buffer, frame.shape, frame.pixel), frame, self._backend.copy_in)
            buffer.copy_to(pinned, stream=self._backend.copy_in)
            self._backend.copy_in.sync()
            read = host_bytes(pinned, pinned.size).reshape(*frame.shape, frame.pixel)
            return np.array(read, dtype=np.uint8)

    def _write(self, frame: Frame, array: NDArray[np.uint8]) -> None:
        """Bytes of the host into a frame."""
        with self._staging(frame) as (buffer, pinned):
            host_bytes(pinned, pinned.size)[:] = array.reshape(-1)
            buffer.copy_from(pinned, stream=self._backend.copy_in)
            copy_frame(frame, dense(buffer, frame.shape, frame.pixel), self._backend.copy_in)
            self._backend.copy_in.sync()

    @contextmanager
    def _staging(self, frame: Frame) -> Iterator[tuple[Any, Any]]:
        """Memory for a frame on the GPU, without gaps, and on the host."""
        from cuda.core import LegacyPinnedMemoryResource  # only with a GPU

        size, stream = int(np.prod(frame.shape)) * frame.pixel, self._backend.copy_in
        buffer = self._backend.device.allocate(size, stream=stream)
        pinned = LegacyPinnedMemoryResource().allocate(size)
        try:
            yield buffer, pinned
        finally:
            stream.sync()
            buffer.close(stream)
            pinned.close(stream)

    def _run(
        self,
        given: Mapping[str, Frame],
        target: Frame,
        part: tuple[slice, slice, slice],
        rectangles: Sequence[Area],
    ) -> None:
        """Fill frames that fit the network.

        Args:
            given: what the network takes.
            target: frames as a whole.
            part: which images, rows and columns of them are given.
            rectangles: of `target`, inside of it, that are written.
        """
        count, size = given["image"].shape[0], padded_shape(given["image"].shape, self._interface)

        def copy_in(slot: Slot, stream: Any) -> None:
            for name in slot.inputs:
                memory, frame = slot.bindings[name].device, given.get(name)
                if frame is None or frame.shape != size:
                    memory.fill(PADDING[name], stream=stream)  # where no sketch is given, there are no lines
                if frame is not None:
                    copy_frame(dense(memory, size, frame.pixel).corner(frame.shape), frame, stream)

        def copy_out(slot: Slot, stream: Any) -> None:
            composite = dense(slot.bindings["composite"].device, size, 3)
            for rectangle in rectangles:
                inside = (
                    slice(own.start - at.start, own.stop - at.start)
                    for own, at in zip(rectangle, part[1:], strict=True)
                )
                copy_frame(target.part(part[0], *rectangle), composite.part(slice(0, count), *inside), stream)

        shapes: dict[str, Shape] = {name: (*size, 3) if name == "image" else size for name in self._interface.inputs}
        with self._backend.lease(shapes) as slot:
            self._backend.enqueue(slot, copy_in, copy_out)


def _image(frame: Frame, index: int) -> Frame:
    """One of several images."""
    _, height, width = frame.shape
    return frame.part(slice(index, index + 1), slice(0, height), slice(0, width))


def host_bytes(pinned: Any, size: int) -> NDArray[np.uint8]:
    """Pinned memory as an array that borrows it."""
    import ctypes

    found: NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(pinned.handle)))
    return found

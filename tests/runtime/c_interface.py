"""The C interface of runtime/cpp through ctypes, as a program in another language would use it."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ABI_VERSION = 1

OK, INVALID_ARGUMENT, BUNDLE_ERROR, BACKEND_ERROR, IMAGE_ERROR = range(5)
DEVICES = {"auto": 0, "cpu": 1, "cuda": 2}
WINDOWS = {"auto": 0, "whole": -1}


class Options(ctypes.Structure):
    """inpaintrt_options."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("device", ctypes.c_int32),
        ("backend", ctypes.c_int32),
        ("gpu", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("cache_directory", ctypes.c_char_p),
        ("onnxruntime_library", ctypes.c_char_p),
        ("window", ctypes.c_int32),
    )


class View(ctypes.Structure):
    """inpaintrt_view and inpaintrt_mutable_view."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("pitch", ctypes.c_size_t),
    )


class Task(ctypes.Structure):
    """inpaintrt_task."""

    _fields_ = (("image", View), ("mask", View), ("sketch", View), ("out", View))


class CError(Exception):
    """A function of the C interface returned something else than OK."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Library:
    """The shared library, with the types of its functions declared."""

    def __init__(self, path: Path):
        self.functions: Any = ctypes.CDLL(str(path))
        self.functions.inpaintrt_version.restype = ctypes.c_char_p
        self.functions.inpaintrt_last_error.restype = ctypes.c_char_p
        self.functions.inpaintrt_backend.restype = ctypes.c_char_p
        self.functions.inpaintrt_backend.argtypes = [ctypes.c_void_p]
        self.functions.inpaintrt_inpaint.argtypes = [ctypes.c_void_p, ctypes.POINTER(Task), ctypes.c_size_t]
        self.functions.inpaintrt_inpaint_on_gpu.argtypes = [
            ctypes.c_void_p, ctypes.POINTER(Task), ctypes.c_size_t, ctypes.c_void_p,
        ]  # fmt: skip
        self.functions.inpaintrt_clone.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]
        self.functions.inpaintrt_close.argtypes = [ctypes.c_void_p]

    def check(self, code: int) -> None:
        """Raise `CError` with the library's words unless `code` is OK."""
        if code != OK:
            raise CError(code, self.functions.inpaintrt_last_error().decode())

    def open(self, bundle: Path, device: str = "auto", **options: Any) -> "CInpainter":
        """A bundle, opened with options by their names in `Options`."""
        values = Options()
        self.functions.inpaintrt_default_options(ctypes.byref(values))
        values.device = DEVICES[device]
        for name, value in options.items():
            setattr(values, name, value)
        handle = ctypes.c_void_p()
        self.check(self.functions.inpaintrt_open(str(bundle).encode(), ctypes.byref(values), ctypes.byref(handle)))
        return CInpainter(self, handle)


class CInpainter:
    """An opened handle, called as `inpaintrt.runtime.Inpainter` is."""

    def __init__(self, library: Library, handle: ctypes.c_void_p):
        self.library, self.handle = library, handle

    def __enter__(self) -> "CInpainter":
        return self

    def __exit__(self, *_: object) -> None:
        self.library.functions.inpaintrt_close(self.handle)

    @property
    def backend(self) -> str:
        """What runs, and why."""
        return str(self.library.functions.inpaintrt_backend(self.handle).decode())

    def clone(self) -> "CInpainter":
        """Another instance over the same weights."""
        handle = ctypes.c_void_p()
        self.library.check(self.library.functions.inpaintrt_clone(self.handle, ctypes.byref(handle)))
        return CInpainter(self.library, handle)

    def __call__(
        self, image: np.ndarray, mask: np.ndarray | None = None, *, sketch: np.ndarray | None = None
    ) -> np.ndarray:
        """uint8 [H,W,3] or [N,H,W,3] and uint8 or bool [H,W] or [N,H,W]; rows may have a pitch."""
        if image.ndim == 3:
            planes = [None if plane is None else plane[None] for plane in (mask, sketch)]
            filled: np.ndarray = self(image[None], planes[0], sketch=planes[1])[0]
            return filled
        out = np.full(image.shape, 77, np.uint8)
        masks, sketches = (
            [None] * len(image) if plane is None else list(plane.view(np.uint8)) for plane in (mask, sketch)
        )
        self.run(list(zip(image, masks, out, sketches, strict=True)))
        return out

    def on_gpu(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """As a call with one image, which a stream copies to the GPU before it and back after it."""
        from cuda.core import Device  # only with a GPU

        from inpaintrt.runtime.backends.gpu import call_driver

        device = Device(0)
        device.set_current()
        stream = device.create_stream()
        out = np.zeros_like(image)
        arrays = (image, mask.view(np.uint8), out)
        buffers = [device.allocate(array.nbytes, stream=stream) for array in arrays]
        views = []
        for array, buffer in zip(arrays, buffers, strict=True):
            call_driver("cuMemcpyHtoDAsync", int(buffer.handle), array.ctypes.data, array.nbytes, stream.handle)
            views.append(View(int(buffer.handle), array.shape[1], array.shape[0], array.strides[0]))
        task = Task(views[0], views[1], View(), views[2])
        handle = int(stream.handle)
        self.library.check(self.library.functions.inpaintrt_inpaint_on_gpu(self.handle, ctypes.byref(task), 1, handle))
        call_driver("cuMemcpyDtoHAsync", out.ctypes.data, int(buffers[2].handle), out.nbytes, stream.handle)
        stream.sync()
        return out

    def upscale(self, image: np.ndarray, factor: int) -> np.ndarray:
        """As `inpaintrt.runtime.Inpainter.upscale`, for one image [H,W,3]."""
        out = np.zeros((factor * image.shape[0], factor * image.shape[1], 3), np.uint8)
        views = (ctypes.byref(view(image)), factor, ctypes.byref(view(out)))
        self.library.check(self.library.functions.inpaintrt_upscale(self.handle, *views))
        return out

    def run(self, tasks: Sequence[tuple[np.ndarray | None, ...]]) -> None:
        """Fill images given as (image, mask, out), or (image, mask, out, sketch)."""
        filled = [
            Task(view(image), view(mask), view(sketch[0] if sketch else None), view(out))
            for image, mask, out, *sketch in tasks
        ]
        array = (Task * len(filled))(*filled)
        self.library.check(self.library.functions.inpaintrt_inpaint(self.handle, array, len(filled)))


def view(pixels: np.ndarray | None) -> View:
    """A view of an array whose pixels lie side by side, its rows may not; without data for None."""
    if pixels is None:
        return View()
    assert pixels.strides[1] == pixels[0, 0].nbytes
    return View(pixels.ctypes.data, pixels.shape[1], pixels.shape[0], pixels.strides[0])

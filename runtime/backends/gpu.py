"""What GPUs are here, and which TensorRT libraries; nothing is imported that is not installed."""

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from ..errors import BackendError, InpaintrtError

LIBRARIES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
"""Backend name to Python module."""

CUDA_CORE = (1, 2)
"""Before it, an array that begins inside its memory was read from the begin of that memory."""

CUDA_13 = 13000
"""What `cuDriverGetVersion` says of a driver that runs the `cu13` packages of the extras: R580 or later."""


def local_target(device_id: int = 0) -> str:
    """The compute capability of a local GPU, such as `sm89`.

    Raises:
        BackendError: if there is no GPU, driver or `cuda-core`, or one of them is too old, saying which.
    """
    major, minor = open_device(device_id).compute_capability
    return f"sm{major}{minor}"


def open_device(device_id: int = 0) -> Any:
    """A local GPU as a `cuda.core.Device`. The caller's current device stays current.

    Raises:
        BackendError: as `local_target`.
    """
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        raise BackendError("cuda-core is not installed; on a machine with an NVIDIA GPU, pip install -e '.[gpu]'")
    try:
        from cuda.core import Device, __version__  # only on the way to a GPU

        if tuple(int(part) for part in __version__.split(".")[:2]) < CUDA_CORE:
            raise BackendError(f"cuda-core is {__version__}, but 1.2 or later is needed; pip install -e '.[gpu]'")
        check_driver()
        status = driver().cuInit(0)[0]
        if int(status) != 0:
            raise RuntimeError(f"cuInit says {status!s}")
        count = len(Device.get_all_devices())
        device = Device(device_id) if device_id < count else None
        if device is not None:
            with current(device):  # the first call makes the device's context
                pass
    except BackendError:
        raise
    except Exception as error:  # the driver's absence surfaces in several ways, by version of cuda-core
        raise BackendError(f"no usable NVIDIA GPU: {first_line(error)}") from error
    if device is None:
        raise BackendError(f"there is no GPU cuda:{device_id}; this machine has {count}, counted from cuda:0")
    return device


def device_count() -> int:
    """How many GPUs the driver shows.

    Raises:
        BackendError: as `local_target`, if there is none.
    """
    open_device(0)
    from cuda.core import Device  # only with a GPU

    return len(Device.get_all_devices())


def driver() -> Any:
    """The driver's functions."""
    from cuda.bindings import driver as functions  # only on the way to a GPU

    return functions


def call_driver(name: str, *arguments: Any) -> Any:
    """Call a function of the driver; what it returns besides its status.

    Raises:
        BackendError: naming the function and the driver's status.
    """
    status, *values = getattr(driver(), name)(*arguments)
    if int(status) != 0:
        raise BackendError(f"{name} failed: {status!s}")
    return values[0] if values else None


def check_driver() -> None:
    """Refuse a driver older than the CUDA 13 of the `gpu` and `rtx` extras.

    Raises:
        BackendError: saying what is installed and what is needed.
    """
    version = int(call_driver("cuDriverGetVersion"))
    if 0 < version < CUDA_13:
        raise BackendError(
            f"the NVIDIA driver is for CUDA {version // 1000}.{version % 1000 // 10}; the extras gpu and rtx are for "
            "CUDA 13 and need driver R580 or later; install a newer driver"
        )


@contextlib.contextmanager
def current(device: Any) -> Iterator[None]:
    """Make a device current on this thread, and afterwards what was current before, or nothing."""
    before = call_driver("cuCtxGetCurrent")
    device.set_current()
    try:
        yield
    finally:
        call_driver("cuCtxSetCurrent", before)


@contextlib.contextmanager
def library_errors(doing: str) -> Iterator[None]:
    """Turn what the driver, `cuda-core` and the libraries raise into `BackendError`, saying what was being done."""
    try:
        yield
    except InpaintrtError:
        raise
    except Exception as error:  # they share no base, and it differs by version
        raise BackendError(f"{doing} failed: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """What an exception says, on one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def load_library(backend: str) -> Any:
    """The Python module of `tensorrt` or `tensorrt-rtx`.

    Raises:
        BackendError: if it is not installed, saying how to get it.
    """
    try:
        return importlib.import_module(LIBRARIES[backend])
    except ModuleNotFoundError as error:
        extra = {"tensorrt": "gpu", "tensorrt-rtx": "rtx"}[backend]
        raise BackendError(f"{backend} is not installed ({error}); pip install -e '.[{extra}]'") from None
    except ImportError as error:
        raise BackendError(f"{backend} is installed but does not load: {error}") from None

"""What GPU is here, and which TensorRT libraries; nothing is imported that is not installed."""

import importlib
import importlib.util
from typing import Any

from ..errors import BackendError

LIBRARIES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
"""Backend name to Python module."""


def local_target(device_id: int = 0) -> str:
    """The compute capability of the local GPU, such as `sm89`.

    Raises:
        BackendError: if there is no GPU, driver or `cuda-core`, saying which.
    """
    major, minor = open_device(device_id).compute_capability
    return f"sm{major}{minor}"


def open_device(device_id: int = 0) -> Any:
    """The local GPU as a `cuda.core.Device`, made current.

    Raises:
        BackendError: as `local_target`.
    """
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        raise BackendError("cuda-core is not installed; pip install 'inpaintrt[gpu]' on a machine with an NVIDIA GPU")
    try:
        from cuda.core import Device  # only on the way to a GPU

        device = Device(device_id)
        device.set_current()
    except Exception as error:  # the driver's absence surfaces in several ways, by version of cuda-core
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BackendError(f"no usable NVIDIA GPU: {first}") from error
    return device


def load_library(backend: str) -> Any:
    """The Python module of `tensorrt` or `tensorrt-rtx`.

    Raises:
        BackendError: if it is not installed, saying how to get it.
    """
    try:
        return importlib.import_module(LIBRARIES[backend])
    except ModuleNotFoundError as error:
        extra = {"tensorrt": "gpu", "tensorrt-rtx": "rtx"}[backend]
        raise BackendError(f"{backend} is not installed ({error}); pip install 'inpaintrt[{extra}]'") from None
    except ImportError as error:
        raise BackendError(f"{backend} is installed but does not load: {error}") from None

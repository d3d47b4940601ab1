"""ONNX Runtime, on the CPU or through CUDA."""

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..errors import BackendError
from .gpu import first_line
from .memory import PADDING

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

PROVIDER_OPTIONS: dict[str, dict[str, str]] = {"cpu": {}, "cuda": {"use_tf32": "0"}}
"""TF32 is on by default on CUDA and off here, as in engines: FP32 means FP32, and mask sums stay integers."""


class OnnxRuntimeBackend:
    """A session over one ONNX model of a bundle."""

    parallel = 1
    """One call uses all the cores it was given, or the whole GPU."""

    def __init__(self, bundle: Bundle, precision: str, device: str, threads: int = 0):
        """Open a session.

        Args:
            bundle: with an ONNX model of this precision.
            precision: `fp32` or `fp16`.
            device: `cpu`, `cuda` or `cuda:N`.
            threads: for one operator on the CPU, at most as many as there are CPUs; 0 leaves it to ONNX Runtime.

        Raises:
            BackendError: if ONNX Runtime lacks the device, or cannot load the model.
            BundleError: if the model is missing or altered.
        """
        self.name = f"onnxruntime-{device} {precision}"
        check_device(device)
        model = bundle.file(bundle.onnx(precision))
        try:
            self._session: Any = open_session(model, device, threads)
        except BackendError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base
            raise BackendError(f"onnxruntime cannot load the {precision} model: {first_line(error)}") from error

    @property
    def memory(self) -> None:
        """As `Backend.memory`: ONNX Runtime does not say."""

    def run(
        self, inputs: Mapping[str, NDArray[np.uint8]], size: tuple[int, int, int] | None = None
    ) -> NDArray[np.uint8]:
        """As `Backend.run`.

        Raises:
            BackendError: if ONNX Runtime fails, such as for too little memory, or the session was closed.
        """
        session = self._session
        if session is None:
            raise BackendError("this Inpainter was closed")
        given = {name: pad(name, value, size) for name, value in inputs.items()}
        try:
            composite: NDArray[np.uint8] = session.run(["composite"], given)[0]
        except Exception as error:  # ONNX Runtime's exceptions share no base
            raise BackendError(f"{self.name}: {first_line(error)}") from error
        count, height, width = inputs["image"].shape[:3]
        return composite[:count, :height, :width]

    def close(self) -> None:
        """As `Backend.close`."""
        self._session = None


def pad(name: str, value: NDArray[np.generic], size: tuple[int, int, int] | None) -> NDArray[np.uint8]:
    """A tensor [N,H,W,..] as uint8, with padding after it to (N,H,W) of `size`; itself where nothing is to do."""
    if size is None or value.shape[:3] == size:
        return np.ascontiguousarray(value.view(np.uint8) if value.dtype == np.bool_ else value, dtype=np.uint8)
    padded = np.full((*size, *value.shape[3:]), PADDING[name], dtype=np.uint8)
    count, height, width = value.shape[:3]
    padded[:count, :height, :width] = value
    return padded


def check_device(device: str) -> None:
    """Refuse a device that the installed ONNX Runtime was not built for.

    Raises:
        BackendError: saying how to get one that was.
    """
    import onnxruntime  # only when used

    provider = PROVIDERS[device.partition(":")[0]]
    if provider not in onnxruntime.get_available_providers():
        raise BackendError(
            f"onnxruntime {onnxruntime.__version__} here has no {provider}; on a GPU machine "
            "pip uninstall onnxruntime, then pip install --force-reinstall 'onnxruntime-gpu[cuda,cudnn]'"
        )


def open_session(model: bytes, device: str, threads: int = 0, optimise: bool = True, in_order: bool = False) -> Any:
    """An ONNX Runtime session on a device, quiet, and never silently on another one.

    Args:
        model: content of an ONNX file.
        device: `cpu`, `cuda` or `cuda:N`.
        threads: for one operator on the CPU, at most as many as there are CPUs; 0 leaves it to ONNX Runtime.
        optimise: False to run the graph exactly as it is.
        in_order: run nodes in the order of the file, as without optimisation: then what is read once is freed at once.

    Raises:
        BackendError: if the device cannot be used. A model that does not load raises ONNX Runtime's own exception.
    """
    import onnxruntime  # only when used

    check_device(device)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(threads, os.cpu_count() or 1)
    options.log_severity_level = 3
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if in_order or not optimise:
        # In the order of the file; in its own order ONNX Runtime keeps what is read once, at the end, all the while.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    kind, _, number = device.partition(":")
    chosen = PROVIDER_OPTIONS[kind] | ({"device_id": number} if number else {})
    with contextlib.redirect_stdout(sys.stderr):  # both calls print, and standard output may be somebody's JSON
        if kind == "cuda" and hasattr(onnxruntime, "preload_dlls"):
            # Without it the provider finds CUDA and cuDNN only if torch was imported before, or system-wide.
            onnxruntime.preload_dlls()
        # Without `enable_fallback=0` a run that fails on the GPU is done again on the CPU, and so are all later ones.
        session = onnxruntime.InferenceSession(
            model, options, providers=[(PROVIDERS[kind], chosen)], enable_fallback=0
        )  # fmt: skip
    if PROVIDERS[kind] not in session.get_providers():
        raise BackendError(
            f"onnxruntime could not start {PROVIDERS[kind]} on {device}: it needs an NVIDIA driver for its CUDA "
            "version, and CUDA and cuDNN: pip install -e '.[gpu]'"
        )
    return session

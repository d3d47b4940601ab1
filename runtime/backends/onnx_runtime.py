"""ONNX Runtime, on the CPU or through CUDA."""

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..errors import BackendError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

PROVIDER_OPTIONS = {"cpu": {}, "cuda": {"use_tf32": "0"}}
"""TF32 is on by default on CUDA and off here, as in engines: FP32 means FP32, and mask sums stay integers."""


class OnnxRuntimeBackend:
    """A session over one ONNX model of a bundle."""

    parallel = 1
    """One call uses all the cores it was given, or the whole GPU."""

    def __init__(self, bundle: Bundle, precision: str, device: Literal["cpu", "cuda"], threads: int = 0):
        """Open a session.

        Args:
            bundle: with an ONNX model of this precision.
            precision: `fp32` or `fp16`.
            device: `cpu` or `cuda`.
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
            raise BackendError(f"onnxruntime cannot load the {precision} model: {error}") from error

    def run(self, inputs: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """As `Backend.run`."""
        if self._session is None:
            raise BackendError("this Inpainter was closed")
        composite: NDArray[np.uint8] = self._session.run(["composite"], dict(inputs))[0]
        return composite

    def close(self) -> None:
        """As `Backend.close`."""
        self._session = None


def check_device(device: str) -> None:
    """Refuse a device that the installed ONNX Runtime was not built for.

    Raises:
        BackendError: saying how to get one that was.
    """
    import onnxruntime  # only when used

    provider = PROVIDERS[device]
    if provider not in onnxruntime.get_available_providers():
        raise BackendError(
            f"onnxruntime {onnxruntime.__version__} here has no {provider}; on a GPU machine "
            "pip uninstall onnxruntime, then pip install --force-reinstall onnxruntime-gpu"
        )


def open_session(model: bytes, device: str, threads: int = 0, optimise: bool = True) -> Any:
    """An ONNX Runtime session on a device, quiet, and never silently on another one.

    Args:
        model: content of an ONNX file.
        device: `cpu` or `cuda`.
        threads: for one operator on the CPU, at most as many as there are CPUs; 0 leaves it to ONNX Runtime.
        optimise: False to run the graph exactly as it is.

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
        # In the order of the file; in its own order ONNX Runtime keeps what is read once, at the end, all the while.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    session = onnxruntime.InferenceSession(model, options, providers=[(PROVIDERS[device], PROVIDER_OPTIONS[device])])
    if PROVIDERS[device] not in session.get_providers():
        raise BackendError(
            f"onnxruntime could not start {PROVIDERS[device]}: is a driver for its CUDA version installed?"
        )
    return session

"""Which backend runs a bundle here: the first that can, with the reasons the others cannot.

Order: TensorRT engine for this GPU, TensorRT-RTX engine for this GPU, ONNX Runtime CUDA (fp16 if exported), ONNX
Runtime CPU (fp32 if exported).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..bundle import Artifact, Bundle
from ..errors import BackendError
from . import Backend
from .gpu import LIBRARIES, load_library, local_target
from .onnx_runtime import OnnxRuntimeBackend

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class BackendChoice:
    """The backend that runs, and why: `rejected` holds a reason for each one that stands before it in the order."""

    name: str
    rejected: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if not self.rejected:
            return self.name
        return f"{self.name} ({'; '.join(f'no {name}: {reason}' for name, reason in self.rejected)})"


def choose_backend(bundle: Bundle, device: Device = "auto", threads: int = 0) -> tuple[Backend, BackendChoice]:
    """Open the first backend that can run `bundle` here.

    Raises:
        BackendError: if none can, with the reason for each.
        BundleError: if a file of the bundle is missing or altered; that is never passed over.
    """
    rejected: list[tuple[str, str]] = []
    for name, open_backend in _candidates(bundle, device, threads):
        try:
            backend = open_backend()
        except BackendError as error:
            rejected.append((name, str(error)))
        else:
            return backend, BackendChoice(backend.name, tuple(rejected))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in rejected)
    raise BackendError(f"{bundle.path}: no backend can run it with device {device} ({reasons})")


def _candidates(bundle: Bundle, device: Device, threads: int) -> Iterator[tuple[str, Callable[[], Backend]]]:
    if device in ("auto", "cuda"):
        for library in LIBRARIES:
            yield library, lambda library=library: _open_engine(bundle, library)  # type: ignore[misc]
        yield "onnxruntime-cuda", lambda: OnnxRuntimeBackend(bundle, _precision(bundle, "fp16"), "cuda", threads)
    if device in ("auto", "cpu"):
        yield "onnxruntime-cpu", lambda: OnnxRuntimeBackend(bundle, _precision(bundle, "fp32"), "cpu", threads)


def _precision(bundle: Bundle, preferred: str) -> str:
    """The preferred precision, or the only one the bundle was exported in."""
    there = bundle.precisions()
    if not there:
        raise BackendError("the bundle holds no ONNX model; export it again")
    return preferred if preferred in there else there[0]


def _open_engine(bundle: Bundle, backend: str) -> Backend:
    from .tensor_rt import TensorRTBackend  # only with a GPU

    return TensorRTBackend(bundle, find_engine(bundle, backend))


def find_engine(bundle: Bundle, backend: str) -> Artifact:
    """The bundle's engine for the local GPU and the installed version of `backend`, fp16 before fp32.

    Raises:
        BackendError: saying what there is and what is needed.
    """
    engines = [engine for engine in bundle.engines() if engine.backend == backend]
    if not engines:
        raise BackendError("the bundle holds no such engine; build-engines makes one")
    return min(
        fitting_engines(engines, backend), key=lambda engine: str(engine.precision)
    )  # "fp16" sorts before "fp32"


def fitting_engines(engines: Sequence[Artifact], backend: str) -> list[Artifact]:
    """Those of some engines of `backend` that are for the local GPU and the installed version.

    Raises:
        BackendError: if none are, saying what they are for and what is needed.
    """
    target = local_target()
    version = str(load_library(backend).__version__)
    fitting = [engine for engine in engines if engine.target == target and engine.backend_version == version]
    if not fitting:
        there = ", ".join(sorted({f"{engine.target} by version {engine.backend_version}" for engine in engines}))
        raise BackendError(
            f"its engines are for {there}; this machine has {target} and version {version}; "
            f"build-engines --backend {backend} --target local makes one"
        )
    return fitting

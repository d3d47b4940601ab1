"""Which backend runs a bundle here: the first that can, with the reasons the others cannot.

Order: TensorRT engine for this GPU, TensorRT-RTX engine for this GPU, ONNX Runtime CUDA (fp16 if exported), ONNX
Runtime CPU (fp32 if exported).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..bundle import Artifact, Bundle
from ..errors import BackendError, UsageError
from . import Backend
from .gpu import LIBRARIES, device_count, load_library, local_target, open_device
from .onnx_runtime import OnnxRuntimeBackend
from .several import SeveralGpus

DEVICES = re.compile(r"auto|cpu|cuda(:(\d{1,3}|all))?")


@dataclass(frozen=True)
class BackendChoice:
    """The backend that runs, and why: `rejected` holds a reason for each one that stands before it in the order."""

    name: str
    rejected: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if not self.rejected:
            return self.name
        return f"{self.name} ({'; '.join(f'no {name}: {reason}' for name, reason in self.rejected)})"


def check_device_name(device: str) -> str:
    """A device as `Inpainter` takes it.

    Raises:
        UsageError: saying what it can be.
    """
    if not DEVICES.fullmatch(device):
        raise UsageError(f"device is {device!r}, expected auto, cpu, cuda, cuda:N (counted from cuda:0) or cuda:all")
    return device


def choose_backend(bundle: Bundle, device: str = "auto", threads: int = 0) -> tuple[Backend, BackendChoice]:
    """Open the first backend that can run `bundle` here; with `cuda:all` one on every GPU that has one.

    Raises:
        UsageError: if `device` is none.
        BackendError: if none can, with the reason for each.
        BundleError: if a file of the bundle is missing or altered; that is never passed over.
    """
    if check_device_name(device) == "cuda:all":
        return _on_all_gpus(bundle, threads)
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


def _on_all_gpus(bundle: Bundle, threads: int) -> tuple[Backend, BackendChoice]:
    opened: list[Backend] = []
    rejected: list[tuple[str, str]] = []
    try:
        for number in range(device_count()):
            device = f"cuda:{number}"
            try:
                backend, choice = choose_backend(bundle, device, threads)
            except BackendError as error:
                rejected.append((device, str(error)))
            else:
                opened.append(backend)
                rejected += [(f"{name} on {device}", reason) for name, reason in choice.rejected]
        if not opened:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in rejected)
            raise BackendError(f"{bundle.path}: no GPU can run it ({reasons})")
    except BaseException:
        for backend in opened:
            backend.close()
        raise
    several = SeveralGpus(opened)
    return several, BackendChoice(several.name, tuple(rejected))


def _candidates(bundle: Bundle, device: str, threads: int) -> Iterator[tuple[str, Callable[[], Backend]]]:
    if device != "cpu":
        number = int(device.partition(":")[2] or 0)
        for library in LIBRARIES:
            yield library, lambda library=library: _open_engine(bundle, library, number)  # type: ignore[misc]
        cuda = f"cuda:{number}" if number else "cuda"
        yield "onnxruntime-cuda", lambda: OnnxRuntimeBackend(bundle, _precision(bundle, "fp16"), cuda, threads)
    if device in ("auto", "cpu"):
        yield "onnxruntime-cpu", lambda: OnnxRuntimeBackend(bundle, _precision(bundle, "fp32"), "cpu", threads)


def _precision(bundle: Bundle, preferred: str) -> str:
    """The preferred precision, or the only one the bundle was exported in."""
    there = bundle.precisions()
    if not there:
        raise BackendError("the bundle holds no ONNX model; export it again")
    return preferred if preferred in there else there[0]


def _open_engine(bundle: Bundle, backend: str, device_id: int) -> Backend:
    from .tensor_rt import TensorRTBackend  # only with a GPU

    return TensorRTBackend(bundle, find_engine(bundle, backend, device_id), device_id)


def find_engine(bundle: Bundle, backend: str, device_id: int = 0) -> Artifact:
    """The bundle's engine for a local GPU and the installed version of `backend`, fp16 before fp32.

    Raises:
        BackendError: saying what there is and what is needed.
    """
    engines = [engine for engine in bundle.engines() if engine.backend == backend]
    if not engines:
        raise BackendError("the bundle holds no such engine; build-engines makes one")
    return min(
        fitting_engines(engines, backend, device_id), key=lambda engine: str(engine.precision)
    )  # "fp16" sorts before "fp32"


def fitting_engines(engines: Sequence[Artifact], backend: str, device_id: int = 0) -> list[Artifact]:
    """Those of some engines of `backend` that are for a local GPU and the installed version.

    An engine of TensorRT is for GPUs of one name: its kernels were timed on it, and another GPU of that compute
    capability may lack their resources. `details` of its entry hold the name as `gpu`; engines of TensorRT-RTX, which
    are compiled when they are loaded, have none.

    Raises:
        BackendError: if none are, saying what they are for and what is needed.
    """
    target = local_target(device_id)
    gpu = str(getattr(open_device(device_id), "name", ""))
    version = str(load_library(backend).__version__)
    fitting = [
        engine for engine in engines
        if engine.target == target and engine.backend_version == version and engine.details.get("gpu", gpu) == gpu
    ]  # fmt: skip
    if not fitting:
        there = ", ".join(sorted({_built_for(engine) for engine in engines}))
        raise BackendError(
            f"its engines are for {there}; this machine has {target} ({gpu}) and version {version}; "
            f"build-engines --backend {backend} --target local makes one"
        )
    return fitting


def _built_for(engine: Artifact) -> str:
    gpu = f" ({engine.details['gpu']})" if "gpu" in engine.details else ""
    return f"{engine.target}{gpu} by version {engine.backend_version}"

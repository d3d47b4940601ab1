"""What latency is measured of: the artifacts of a bundle, and the baselines that do the same work without it.

Every subject takes what the deployed network takes from host memory and leaves what it gives in host memory.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inpaintrt.export.tracing.deployed import ImageNetwork
from inpaintrt.runtime.backends.choice import fitting_engines
from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.runtime.bundle import Artifact, Bundle
from inpaintrt.runtime.errors import BackendError

Arrays = Mapping[str, NDArray[Any]]
Call = Callable[[Arrays], Any]
Parts = Callable[[Arrays, int], dict[str, list[float]]]

PLAIN = "plain torch.onnx.export on onnxruntime"


@dataclass(frozen=True)
class Opened:
    """A subject that runs: its call, and its parts (copies and compute) where they can be told apart."""

    call: Call
    parts: Parts | None = None


@dataclass
class Subject:
    """Something to measure.

    Args:
        name: for the reader.
        device: `cpu` or `cuda`.
        baseline: whether it is what the bundle is compared with.
        open: starts it; raises `BackendError` where that is not possible here.
        sha256: of the file it runs, if it runs one.
    """

    name: str
    device: str
    baseline: bool
    open: Callable[[], Opened]
    sha256: str | None = None
    opened: Opened | None = field(default=None, init=False)


def find_subjects(bundle: Bundle, network: ImageNetwork, device: str, plain: Bundle | None) -> Iterator[Subject]:
    """All subjects of one device.

    Args:
        bundle: whose artifacts are measured.
        network: it was exported from.
        device: `cpu` or `cuda`.
        plain: the plain export of the same network with the same interface, if there is one.
    """
    for engine in bundle.engines() if device == "cuda" else []:
        name = f"{engine.backend} {engine.precision} for {engine.target}"
        yield Subject(name, device, False, lambda engine=engine: _open_engine(bundle, engine), engine.sha256)  # type: ignore[misc]
    for model in (artifact for artifact in bundle.artifacts if artifact.kind == "onnx"):
        content = bundle.file(model)
        yield Subject(
            f"onnx {model.precision} on onnxruntime {device}", device, False,
            lambda content=content: _open_onnx(content, device), model.sha256,  # type: ignore[misc]
        )  # fmt: skip
    if plain is not None:
        content = plain.file(plain.onnx("fp32"))
        yield Subject(f"{PLAIN} {device}", device, True, lambda: _open_onnx(content, device), plain.onnx("fp32").sha256)
    for half in (False, True):
        for compiled in (False, True):
            title = f"{'torch.compile' if compiled else 'PyTorch eager'} {'fp16' if half else 'fp32'}"
            yield Subject(
                title, device, True,
                lambda half=half, compiled=compiled: _open_torch(  # type: ignore[misc]
                    network, bundle.interface.io, device, half, compiled
                ),
            )  # fmt: skip


def _open_engine(bundle: Bundle, engine: Artifact) -> Opened:
    fitting_engines([engine], str(engine.backend))
    from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend  # only with a GPU

    backend = TensorRTBackend(bundle, engine)
    return Opened(backend.run_tensors, backend.time_parts)


def _open_onnx(content: bytes, device: str) -> Opened:
    threads = torch.get_num_threads() if device == "cpu" else 0  # as many as PyTorch has
    session = open_session(content, device, threads)
    outputs = [value.name for value in session.get_outputs()]
    if device == "cpu":
        return Opened(lambda inputs: session.run(outputs, dict(inputs)))

    def parts(inputs: Arrays, rounds: int) -> dict[str, list[float]]:
        from onnxruntime import OrtValue

        seconds: dict[str, list[float]] = {"host to device": [], "compute": [], "device to host": []}
        for _ in range(rounds):
            marks = [time.perf_counter()]
            binding = session.io_binding()
            for name, array in inputs.items():
                binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), "cuda", 0))
            for name in outputs:
                binding.bind_output(name, "cuda")
            binding.synchronize_inputs()
            marks.append(time.perf_counter())
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            marks.append(time.perf_counter())
            binding.copy_outputs_to_cpu()
            marks.append(time.perf_counter())
            for name, start, end in zip(seconds, marks, marks[1:], strict=False):
                seconds[name].append(end - start)
        return seconds

    return Opened(lambda inputs: session.run(outputs, dict(inputs)), parts)


def _open_torch(network: ImageNetwork, io: str, device: str, half: bool, compiled: bool) -> Opened:
    if device == "cuda" and not torch.cuda.is_available():
        raise BackendError(f"PyTorch {torch.__version__} here has no CUDA")
    module: torch.nn.Module = network if io == "image" else network.tensor_network
    if device == "cuda":
        import copy

        module = copy.deepcopy(module).cuda()  # the caller's network stays where it is
    run: Callable[..., Any] = torch.compile(module) if compiled else module

    def compute(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.no_grad(), torch.autocast(device, dtype=torch.float16, enabled=half):
            result = run(*tensors)
        return result if isinstance(result, tuple) else (result,)

    def call(inputs: Arrays) -> list[NDArray[Any]]:
        tensors = [torch.from_numpy(array).to(device) for array in inputs.values()]
        return [output.cpu().numpy() for output in compute(*tensors)]

    def parts(inputs: Arrays, rounds: int) -> dict[str, list[float]]:
        pinned = [torch.from_numpy(array).pin_memory() for array in inputs.values()]
        seconds: dict[str, list[float]] = {"host to device": [], "compute": [], "device to host": []}
        for _ in range(rounds):
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(4)]  # type: ignore[no-untyped-call]
            marks[0].record()
            tensors = [tensor.to(device, non_blocking=True) for tensor in pinned]
            marks[1].record()
            outputs = compute(*tensors)
            marks[2].record()
            for output in outputs:
                output.cpu()
            marks[3].record()
            torch.cuda.synchronize()
            for name, start, end in zip(seconds, marks, marks[1:], strict=False):
                seconds[name].append(start.elapsed_time(end) / 1000)  # events are in milliseconds
        return seconds

    return Opened(call, parts if device == "cuda" else None)


def device_memory(device: str) -> int | None:
    """Bytes in use: of the GPU by anyone, or of this process; None where it cannot be read."""
    if device == "cuda":
        with suppress(Exception):  # absent, or without a driver, in several ways by version
            from cuda.bindings import driver

            _, free, total = driver.cuMemGetInfo()
            return int(total) - int(free)
        return None
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    return None

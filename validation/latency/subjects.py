"""What latency is measured of: the artifacts of a bundle, and the baselines that do the same work without it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from inpaintrt.export.tracing.deployed import ImageNetwork
from inpaintrt.runtime.bundle import Bundle

from ..candidates.runners import Runner, open_engine, open_onnx
from ..candidates.torch_runner import open_torch, torch_modes

PLAIN = "plain torch.onnx.export on onnxruntime"


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
    open: Callable[[], Runner]
    sha256: str | None = None
    opened: Runner | None = field(default=None, init=False)


def find_subjects(bundle: Bundle, network: ImageNetwork, device: str, plain: Bundle | None) -> Iterator[Subject]:
    """All subjects of one device.

    Args:
        bundle: whose artifacts are measured.
        network: it was exported from.
        device: `cpu` or `cuda`.
        plain: the plain export of the same network with the same interface, if there is one.
    """
    threads = torch.get_num_threads() if device == "cpu" else 0  # as many as PyTorch has
    for engine in bundle.engines() if device == "cuda" else []:
        name = f"{engine.backend} {engine.precision} for {engine.target}"
        yield Subject(name, device, False, lambda engine=engine: open_engine(bundle, engine), engine.sha256)  # type: ignore[misc]
    for model in (artifact for artifact in bundle.artifacts if artifact.kind == "onnx"):
        content = bundle.file(model)
        yield Subject(
            f"onnx {model.precision} on onnxruntime {device}", device, False,
            lambda content=content: open_onnx(content, device, threads=threads, pinned=True), model.sha256,  # type: ignore[misc]
        )  # fmt: skip
    if plain is not None:
        content = plain.file(plain.onnx("fp32"))
        yield Subject(
            f"{PLAIN} {device}",
            device,
            True,
            lambda: open_onnx(content, device, threads=threads, pinned=True),
            plain.onnx("fp32").sha256,
        )
    for mode in torch_modes(device):
        yield Subject(
            mode.title, device, True,
            lambda mode=mode: open_torch(network, bundle.interface.io, device, mode),  # type: ignore[misc]
        )  # fmt: skip


def device_memory(device: str) -> int | None:
    """Bytes in use: of the GPU by anyone, or of this process; None where it cannot be read."""
    if device == "cuda":
        with suppress(Exception):  # absent, or without a driver, in several ways by version
            from cuda.bindings import driver

            _, free, total = driver.cuMemGetInfo()
            return int(total) - int(free)
        return None
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096
    return None

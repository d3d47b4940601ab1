"""PyTorch as a runner: eager or compiled, in the precisions that someone could deploy it in, copies included."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inpaintrt.export.tracing.deployed import ImageNetwork
from inpaintrt.runtime.errors import BackendError

from .pinned_calls import PinnedMemory
from .runners import PARTS, Arrays, Parts, Runner

Arithmetic = Literal["fp32", "tf32", "autocast", "half"]

COMPILE_MODES: dict[str, str | None] = {"cuda": "max-autotune", "cpu": None}
"""On a GPU the mode that tries most kernels and replays CUDA graphs; on a CPU it takes minutes and gains nothing."""


@dataclass(frozen=True)
class TorchMode:
    """How PyTorch computes.

    Args:
        arithmetic: `fp32` with TF32 off, as engines and ONNX Runtime have it here; `tf32`, which PyTorch's convolutions
            use by default; `autocast` to FP16; `half`, the network itself in FP16.
        compiled: by `torch.compile`.
    """

    arithmetic: Arithmetic
    compiled: bool

    @property
    def title(self) -> str:
        """The name of its row."""
        words = {"fp32": "fp32", "tf32": "tf32", "autocast": "fp16", "half": "fp16, half()"}[self.arithmetic]
        return f"{'torch.compile' if self.compiled else 'PyTorch eager'} {words}"


def torch_modes(device: str) -> list[TorchMode]:
    """All modes that make sense on a device: a CPU has no TF32, and no kernels for whole networks in FP16."""
    arithmetics: tuple[Arithmetic, ...] = ("fp32", "tf32", "autocast", "half") if device == "cuda" else (
        "fp32", "autocast",
    )  # fmt: skip
    return [TorchMode(arithmetic, compiled) for arithmetic in arithmetics for compiled in (False, True)]


class _Deployed(nn.Module):
    """The deployed network with the network itself in the precision of a mode; its outputs as a tuple in FP32."""

    def __init__(self, network: ImageNetwork, io: str, half: bool):
        super().__init__()
        self.network, self.io, self.half_inside = network, io, half
        if half:
            self.network.tensor_network.half()

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        prepared = self.network.prepare(*tensors) if self.io == "image" else tensors
        outputs = self.network.tensor_network(*(each.half() if self.half_inside else each for each in prepared))
        outputs = tuple(each.float() for each in outputs)
        if self.io != "image":
            return outputs
        return (self.network.compose(tensors[0], tensors[1], outputs[0]),)


def open_torch(network: ImageNetwork, io: str, device: str, mode: TorchMode) -> Runner:
    """PyTorch with the same copies as engines have: through pinned memory on a GPU. Outputs are named by their number.

    Raises:
        BackendError: if PyTorch has no such device here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise BackendError(f"PyTorch {torch.__version__} here has no CUDA")
    # The caller's network stays where and what it is.
    module: nn.Module = _Deployed(copy.deepcopy(network), io, mode.arithmetic == "half").to(device)
    call: Callable[..., Any] = torch.compile(module, mode=COMPILE_MODES[device]) if mode.compiled else module

    def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
        if mode.compiled and device == "cuda":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        autocast = torch.autocast(device, dtype=torch.float16, enabled=mode.arithmetic == "autocast")
        with torch.no_grad(), tf32(mode.arithmetic == "tf32"), autocast:
            return tuple(call(*tensors))

    copies = _Copies(device)

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        outputs = copies.to_host(compute(*copies.to_device(inputs)))
        return {str(number): output for number, output in enumerate(outputs)}

    def time_parts(inputs: Arrays, rounds: int) -> Parts:
        return _time_by_events(compute, copies, inputs, rounds)

    return Runner(run, time_parts if device == "cuda" else None)


@contextlib.contextmanager
def tf32(enabled: bool) -> Iterator[None]:
    """Let matrix products and convolutions on a GPU use TF32 or not; as it was afterwards."""
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = enabled
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


class _Copies:
    """Host to device and back through pinned memory that is kept, as `TensorRTBackend` does it."""

    def __init__(self, device: str):
        self._device, self._pinned = device, device == "cuda"
        self._memory = PinnedMemory()

    def stage(self, inputs: Mapping[str, NDArray[Any]]) -> list[Tensor]:
        """The inputs in pinned memory; as they are without a GPU."""
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        if not self._pinned:
            return list(tensors.values())
        return [self._memory.like(name, tensor).copy_(tensor) for name, tensor in tensors.items()]

    def to_device(self, inputs: Mapping[str, NDArray[Any]]) -> list[Tensor]:
        """The inputs on the device."""
        return self.send(self.stage(inputs))

    def send(self, staged: list[Tensor]) -> list[Tensor]:
        """Start copying staged inputs."""
        return [tensor.to(self._device, non_blocking=True) for tensor in staged]

    def fetch(self, outputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Start copying outputs to pinned memory; as they are without a GPU."""
        if not self._pinned:
            return list(outputs)
        return [
            self._memory.like(f"output {number}", output).copy_(output, non_blocking=True)
            for number, output in enumerate(outputs)
        ]

    def to_host(self, outputs: tuple[Tensor, ...]) -> list[NDArray[Any]]:
        """The outputs as arrays of their own."""
        fetched = self.fetch(outputs)
        if self._pinned:
            torch.cuda.synchronize()
        return [tensor.numpy().copy() for tensor in fetched]


def _time_by_events(compute: Callable[..., tuple[Tensor, ...]], copies: _Copies, inputs: Arrays, rounds: int) -> Parts:
    staged = copies.stage(inputs)
    seconds: Parts = {name: [] for name in PARTS}
    for _ in range(rounds):
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(4)]  # type: ignore[no-untyped-call]
        marks[0].record()
        tensors = copies.send(staged)
        marks[1].record()
        outputs = compute(*tensors)
        marks[2].record()
        copies.fetch(outputs)
        marks[3].record()
        torch.cuda.synchronize()
        for name, start, end in zip(PARTS, marks, marks[1:], strict=False):
            seconds[name].append(start.elapsed_time(end) / 1000)  # events are in milliseconds
    return seconds

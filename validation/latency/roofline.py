"""The floor of latency on a GPU: what its measured rates allow, whoever writes the program.

::

    floor = max(multiply-adds / matrix rate, bytes / copy bandwidth)

The rates are measured on the spot, with PyTorch's matrix product and device-to-device copy. Bytes are the weights, and
the operands and results of every convolution and matrix product, each moved once.
"""

import time
from dataclasses import dataclass
from typing import Any

import onnx
import onnx_ir as ir

from inpaintrt.export.graph.analysis.multiply_adds import multiply_adds, with_sizes
from inpaintrt.export.graph.ir_tools import bytes_of
from inpaintrt.export.graph.operators import PRODUCTS
from inpaintrt.runtime.bundle import Bundle

SIDE = 8192
COPIED_BYTES = 2**30
REPEATS = 20


@dataclass(frozen=True)
class Rates:
    """Measured: multiply-adds a second in FP16 and FP32, bytes a second moved by a copy (read plus written)."""

    fp16: float
    fp32: float
    bandwidth: float


def measure_rates(device: str) -> Rates | None:
    """The rates of the GPU; None on a CPU, or where PyTorch has no CUDA."""
    import torch

    if device != "cuda" or not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = False
    rates = []
    for dtype in (torch.float16, torch.float32):
        a = torch.randn(SIDE, SIDE, device="cuda", dtype=dtype)
        rates.append(SIDE**3 / _seconds(lambda a=a: torch.matmul(a, a)))  # type: ignore[misc]
    source = torch.empty(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return Rates(rates[0], rates[1], 2 * COPIED_BYTES / _seconds(lambda: target.copy_(source)))


def _seconds(work: Any) -> float:
    """Seconds of one of some repetitions, without their start."""
    import torch

    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(REPEATS):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / REPEATS


def floor_for(bundle: Bundle, shape: tuple[int, int, int], rates: Rates | None) -> dict[str, Any] | None:
    """Seconds of the floor and how they came about, for the FP16 model (FP32 if there is no other); None without rates.

    Args:
        bundle: whose model it is.
        shape: batch, height, width.
        rates: as measured.
    """
    if rates is None:
        return None
    precision = "fp16" if "fp16" in bundle.precisions() else "fp32"
    model = ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx(precision))))
    sizes = bundle.interface.input_shapes(*shape)
    totals = multiply_adds(model, sizes)
    half = totals.pop(ir.DataType.FLOAT16, 0)
    arithmetic = half / rates.fp16 + sum(totals.values()) / rates.fp32
    moved = moved_bytes(model, sizes)
    memory = moved / rates.bandwidth
    words = (
        f"Floor of the {precision} model: {1000 * max(arithmetic, memory):.3g} ms, from "
        f"{(half + sum(totals.values())) / 1e9:.3g} G multiply-adds ({1000 * arithmetic:.3g} ms at "
        f"{rates.fp16 / 1e12:.3g} T/s in FP16) and {moved / 1e6:.3g} MB "
        f"({1000 * memory:.3g} ms at {rates.bandwidth / 1e9:.3g} GB/s)."
    )
    return {"seconds": max(arithmetic, memory), "words": words}


def moved_bytes(model: ir.Model, sizes: dict[str, tuple[int, ...]]) -> int:
    """Bytes of the operands and results of all convolutions and matrix products, each moved once."""
    total = 0
    for node in with_sizes(model, sizes).graph:
        if node.op_type in PRODUCTS:
            for value in (*node.inputs, *node.outputs):
                total += bytes_of(value)
    return total

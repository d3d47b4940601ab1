"""The floor of latency on a GPU: what its measured rates allow, whoever writes the program.

::

    floor = max(multiply-adds / matrix rate, bytes / L2 bandwidth, bytes that L2 cannot hold / DRAM bandwidth)

The rates are measured on the spot with PyTorch: a matrix product, and copies that fit into the L2 cache or do not.
Bytes are the weights, and the operands and results of every convolution and matrix product, each moved once. A large
GPU keeps what one layer hands to the next in its L2, so only what exceeds it must go to DRAM: of each value the part
beyond the size of the cache, and of the weights, which every run reads again, likewise.
"""

import time
from dataclasses import dataclass
from typing import Any

import onnx
import onnx_ir as ir

from inpaintrt.export.graph.analysis.multiply_adds import multiply_adds, with_sizes
from inpaintrt.export.graph.ir_tools import bytes_of, constant
from inpaintrt.export.graph.operators import PRODUCTS
from inpaintrt.runtime.bundle import Bundle

SIDE = 8192
COPIED_BYTES = 2**30
REPEATS = 20

SHARE_OF_L2 = 4
"""A copy within L2 has a quarter of it for its source and a quarter for its target; the rest is others'."""


@dataclass(frozen=True)
class Rates:
    """Measured: multiply-adds a second in FP16 and FP32 (TF32 off); bytes a second read plus written, and L2's size."""

    fp16: float
    fp32: float
    dram: float
    l2: float
    l2_bytes: int


@dataclass(frozen=True)
class Traffic:
    """Bytes that a network moves: all of them, and those that an L2 cache of some size cannot hold."""

    total: int
    beyond_l2: int


def measure_rates(device: str) -> Rates | None:
    """The rates of the GPU; None on a CPU, or where PyTorch has no CUDA."""
    import torch

    from ..candidates.torch_runner import tf32

    if device != "cuda" or not torch.cuda.is_available():
        return None
    rates = []
    with tf32(False):
        for dtype in (torch.float16, torch.float32):
            a = torch.randn(SIDE, SIDE, device="cuda", dtype=dtype)
            rates.append(SIDE**3 / _seconds(lambda a=a: torch.matmul(a, a)))  # type: ignore[misc]
    cache = int(torch.cuda.get_device_properties(0).L2_cache_size)
    return Rates(rates[0], rates[1], _copy_rate(COPIED_BYTES), _copy_rate(max(cache // SHARE_OF_L2, 2**20)), cache)


def _copy_rate(size: int) -> float:
    import torch

    source = torch.empty(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * size / _seconds(lambda: target.copy_(source))


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
    moved = traffic(model, sizes, rates.l2_bytes)
    parts = {
        "arithmetic": half / rates.fp16 + sum(totals.values()) / rates.fp32,
        "L2": moved.total / rates.l2,
        "DRAM": moved.beyond_l2 / rates.dram,
    }
    floor = max(parts.values())
    bound = next(name for name, seconds in parts.items() if seconds == floor)
    words = (
        f"Floor of the {precision} model: {1000 * floor:.3g} ms, bound by {bound}. "
        f"{(half + sum(totals.values())) / 1e9:.3g} G multiply-adds take {1000 * parts['arithmetic']:.3g} ms at "
        f"{rates.fp16 / 1e12:.3g} T/s in FP16; {moved.total / 1e6:.3g} MB take {1000 * parts['L2']:.3g} ms at "
        f"{rates.l2 / 1e9:.3g} GB/s of L2; {moved.beyond_l2 / 1e6:.3g} MB, which the L2 of "
        f"{rates.l2_bytes / 2**20:.3g} MiB cannot hold, take {1000 * parts['DRAM']:.3g} ms at "
        f"{rates.dram / 1e9:.3g} GB/s of DRAM."
    )
    return {"seconds": floor, "bound": bound, "parts": parts, "words": words}


def traffic(model: ir.Model, sizes: dict[str, tuple[int, ...]], l2_bytes: int) -> Traffic:
    """What the operands and results of all convolutions and matrix products move, each moved once."""
    total = beyond = weights = 0
    for node in with_sizes(model, sizes).graph:
        if node.op_type not in PRODUCTS:
            continue
        for value in (*node.inputs, *node.outputs):
            size = bytes_of(value)
            total += size
            if constant(value) is not None:
                weights += size
            else:
                beyond += max(size - l2_bytes, 0)
    return Traffic(total, beyond + max(weights - l2_bytes, 0))

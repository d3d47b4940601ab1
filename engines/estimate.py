"""How long a kernel plan takes at least, by a GPU's public figures: an estimate, not a measurement.

    seconds of a kernel = max(operations / matrix rate, bytes / memory bandwidth) + launch inside a CUDA graph

No kernel reaches both rates, and pointwise work counts as bytes only, so a plan takes longer than this. One thing works
the other way: operands that stay in the GPU's L2 cache come faster than from memory (`fits_l2` tells where they could).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .gpus import LAUNCH_SECONDS, Gpu
from .plan import Kernel, KernelPlan

NOTE = "estimate, not measured"


@dataclass(frozen=True)
class KernelEstimate:
    """What one kernel takes at least.

    Args:
        kernel: the kernel.
        compute, memory: seconds of its multiply-adds at the matrix rate, and of its bytes at the memory bandwidth.
        fits_l2: whether all its operands together fit the L2 cache, so that it may be faster than `memory`.
    """

    kernel: Kernel
    compute: float
    memory: float
    fits_l2: bool

    @property
    def seconds(self) -> float:
        """The estimate."""
        return max(self.compute, self.memory) + LAUNCH_SECONDS

    @property
    def bound(self) -> str:
        """What it waits for: `compute`, `memory` or `launch`."""
        work = max(self.compute, self.memory)
        if work < LAUNCH_SECONDS:
            return "launch"
        return "compute" if self.compute >= self.memory else "memory"


def estimate(plan: KernelPlan, gpu: Gpu) -> list[KernelEstimate]:
    """Each kernel's estimate, in the plan's order."""
    return [_estimate(kernel, gpu) for kernel in plan.kernels]


def _estimate(kernel: Kernel, gpu: Gpu) -> KernelEstimate:
    rates = {"fp16": gpu.fp16, "fp32": gpu.fp32}
    compute = sum(2 * count / rates.get(kind, gpu.fp32) for kind, count in kernel.multiply_adds.items())
    return KernelEstimate(kernel, compute, kernel.bytes / gpu.bandwidth, kernel.bytes <= gpu.l2)


def estimated_seconds(plan: KernelPlan, gpu: Gpu) -> float:
    """Of one call: the sum over its kernels, as if they all ran one after the other."""
    return sum(each.seconds for each in estimate(plan, gpu))


def roofline(plan: KernelPlan, gpu: Gpu) -> dict[str, Any]:
    """A roofline chart of a plan as JSON: the GPU's two limits, and a point for each kernel.

    Returns:
        `gpu`, `note` ("estimate, not measured"), the limits `fp16` and `fp32` in operations a second and `bandwidth` in
        bytes a second, `seconds` of one call, and `points`, longest first: `name`, `kind`, `nodes`, `operations`,
        `bytes`, `intensity` in operations a byte, `seconds`, `operations_per_second` as estimated, `bound`, `fits_l2`.
    """
    estimates = sorted(estimate(plan, gpu), key=lambda each: -each.seconds)
    return {
        "gpu": gpu.name, "source": gpu.source, "note": NOTE,
        "fp16": gpu.fp16, "fp32": gpu.fp32, "bandwidth": gpu.bandwidth,
        "seconds": sum(each.seconds for each in estimates),
        "points": [_point(each) for each in estimates],
    }  # fmt: skip


def _point(each: KernelEstimate) -> dict[str, Any]:
    operations = 2 * sum(each.kernel.multiply_adds.values())
    return {
        "name": each.kernel.name, "kind": each.kernel.kind, "nodes": list(each.kernel.nodes),
        "operations": operations, "bytes": each.kernel.bytes,
        "intensity": operations / max(each.kernel.bytes, 1),
        "seconds": each.seconds, "operations_per_second": operations / each.seconds,
        "bound": each.bound, "fits_l2": each.fits_l2,
    }  # fmt: skip


def rows_of(estimates: Sequence[KernelEstimate]) -> list[tuple[str, ...]]:
    """The estimates as cells of a table, longest first: us, share, kind, MB, multiply-adds, bound, nodes."""
    total = sum(each.seconds for each in estimates) or 1.0
    return [
        (
            f"{1e6 * each.seconds:.1f}",
            f"{100 * each.seconds / total:.1f} %",
            each.kernel.kind,
            f"{each.kernel.bytes / 1e6:.2f}",
            f"{sum(each.kernel.multiply_adds.values()) / 1e6:.1f} M",
            each.bound + (", fits L2" if each.fits_l2 and each.bound == "memory" else ""),
            _nodes(each.kernel),
        )
        for each in sorted(estimates, key=lambda each: -each.seconds)
    ]


def _nodes(kernel: Kernel) -> str:
    """The first of its ONNX nodes; the compiler's name for it where it has none."""
    named = kernel.nodes or (kernel.name,)
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return ", ".join(named[:3]) + more

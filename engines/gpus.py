"""Public figures of GPUs, for estimates: what a GPU can do at most, by who makes it.

Matrix rates are dense (without sparsity) and with FP16 accumulation, which on GeForce GPUs is twice the rate with FP32
accumulation; FP32 is the rate without tensor cores, as engines are built without TF32. No kernel is faster than these.
Rates were checked against multiprocessors, operations a clock and boost clocks (`tests/engines/test_estimate.py`),
memory bandwidth and L2 against public specifications; the L2 of the L40S and of the RTX 5090 was found nowhere else.
"""

from dataclasses import dataclass

from inpaintrt.runtime.errors import UsageError

LAUNCH_SECONDS = 0.5e-6
"""What a kernel inside a CUDA graph takes besides its own work: 3.4 us a kernel of 2.9 us, on a V100.

A. Gray, "Getting Started with CUDA Graphs", https://developer.nvidia.com/blog/cuda-graphs/
"""

TURING = "NVIDIA Turing GPU architecture whitepaper (2018)"
GA102 = "NVIDIA Ampere GA102 GPU architecture whitepaper (2021)"
ADA = "NVIDIA Ada GPU architecture whitepaper (2023)"
BLACKWELL = "NVIDIA RTX Blackwell GPU architecture whitepaper (2025)"
HOPPER = "NVIDIA H100 tensor core GPU architecture whitepaper (2022)"


@dataclass(frozen=True)
class Gpu:
    """A GPU in figures.

    Args:
        name: as people call it.
        target: its compute capability, such as `sm89`.
        fp16: dense FP16 matrix rate, operations a second (a multiply-add is two).
        fp32: FP32 rate, operations a second.
        bandwidth: of its memory, bytes a second.
        l2: bytes of its L2 cache.
        source: where the figures are from.
    """

    name: str
    target: str
    fp16: float
    fp32: float
    bandwidth: float
    l2: int
    source: str


def _gpu(name: str, target: str, fp16: float, fp32: float, bandwidth: float, l2: float, source: str) -> Gpu:
    """From TFLOPS, GB/s and MB as they are printed."""
    return Gpu(name, target, fp16 * 1e12, fp32 * 1e12, bandwidth * 1e9, int(l2 * 2**20), source)


GPUS = {
    "t4": _gpu("T4", "sm75", 65, 8.1, 320, 4, f"NVIDIA T4 data sheet; L2: {TURING}, TU104"),
    "a100": _gpu("A100 80 GB SXM", "sm80", 312, 19.5, 2039, 40, "NVIDIA A100 data sheet"),
    "a10": _gpu("A10", "sm86", 125, 31.2, 600, 6, f"NVIDIA A10 data sheet; L2: {GA102}"),
    "rtx-3060": _gpu("GeForce RTX 3060", "sm86", 51, 12.7, 360, 3, f"NVIDIA's product page; rates by {GA102}, 28 SMs"),
    "rtx-3090": _gpu("GeForce RTX 3090", "sm86", 142, 35.6, 936, 6, GA102),
    "l4": _gpu("L4", "sm89", 121, 30.3, 300, 48, f"NVIDIA L4 data sheet; L2: {ADA}"),
    "l40s": _gpu("L40S", "sm89", 362, 91.6, 864, 96, f"NVIDIA L40S data sheet; L2: {ADA}, as the L40"),
    "rtx-4060": _gpu("GeForce RTX 4060", "sm89", 60, 15.1, 272, 24, f"NVIDIA's product page; rates by {ADA}, 24 SMs"),
    "rtx-4090": _gpu("GeForce RTX 4090", "sm89", 330.3, 82.6, 1008, 72, ADA),
    "h100": _gpu("H100 SXM", "sm90", 989.4, 66.9, 3350, 50, HOPPER),
    "h200": _gpu("H200 SXM", "sm90", 989.4, 66.9, 4800, 50, f"NVIDIA H200 data sheet; L2: {HOPPER}"),
    "rtx-5090": _gpu("GeForce RTX 5090", "sm120", 419, 104.8, 1792, 96, BLACKWELL),
}
"""By the names that `--gpu` takes."""


DEVICES = {
    "Tesla T4": "t4", "NVIDIA A100-SXM4-80GB": "a100", "NVIDIA A10": "a10", "NVIDIA L4": "l4", "NVIDIA L40S": "l40s",
    "NVIDIA H100 80GB HBM3": "h100", "NVIDIA H200": "h200",
} | {
    f"NVIDIA GeForce RTX {number}": f"rtx-{number}" for number in (3060, 3090, 4060, 4090, 5090)
}  # fmt: skip
"""The GPUs by the whole name their driver gives: a laptop's RTX 4090, an A10G or an A100 PCIe are others."""


def gpu_of_device(name: str) -> Gpu | None:
    """The GPU a driver calls so; None of any other."""
    return GPUS[DEVICES[name]] if name in DEVICES else None


def parse_gpus(text: str) -> list[Gpu]:
    """GPUs by name, separated by commas.

    Raises:
        UsageError: naming the GPUs there are.
    """
    names = list(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    unknown = [name or "nothing" for name in names if name not in GPUS]
    if unknown:
        raise UsageError(f"--gpu {text}: unknown {', '.join(unknown)}; known are {', '.join(GPUS)}")
    return [GPUS[name] for name in names]


def gpus_of(target: str) -> list[Gpu]:
    """The GPUs of a compute capability."""
    return [gpu for gpu in GPUS.values() if gpu.target == target]

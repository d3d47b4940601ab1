"""Estimates follow from a kernel's numbers and a GPU's figures."""

import pytest

from inpaintrt.engines.estimate import estimate, estimated_seconds, roofline, rows_of
from inpaintrt.engines.gpus import GPUS, LAUNCH_SECONDS, Gpu, gpus_of, parse_gpus
from inpaintrt.engines.plan import Kernel, KernelPlan, Operand
from inpaintrt.runtime.errors import UsageError

GPU = Gpu("test", "sm89", fp16=1e12, fp32=1e11, bandwidth=1e9, l2=1000, source="")


def kernel(name: str, elements: int, **multiply_adds: int) -> Kernel:
    return Kernel(name, "kgen", (name,), (Operand("a", (elements,), "Half"),), (), (), 0, multiply_adds)


PLAN = KernelPlan("", "", "sm89", 1, 1, 1, (
    kernel("moves", 5000), kernel("counts", 100, fp16=10**9), kernel("exact", 100, fp32=10**9), kernel("small", 1),
))  # fmt: skip


def test_a_kernel_takes_the_longer_of_work_and_bytes_and_a_launch() -> None:
    seconds = [each.seconds - LAUNCH_SECONDS for each in estimate(PLAN, GPU)]
    assert seconds == pytest.approx([1e-5, 2e-3, 2e-2, 2e-9])
    assert [each.bound for each in estimate(PLAN, GPU)] == ["memory", "compute", "compute", "launch"]
    assert [each.fits_l2 for each in estimate(PLAN, GPU)] == [False, True, True, True]
    assert estimated_seconds(PLAN, GPU) == pytest.approx(sum(seconds) + 4 * LAUNCH_SECONDS)


def test_rows_and_points_go_from_long_to_short() -> None:
    assert [row[-1] for row in rows_of(estimate(PLAN, GPU))] == ["exact", "counts", "moves", "small"]
    chart = roofline(PLAN, GPU)
    assert [point["name"] for point in chart["points"]] == ["exact", "counts", "moves", "small"]
    assert chart["note"] == "estimate, not measured"
    for point in chart["points"]:
        roof = min(chart["fp16"], chart["bandwidth"] * point["intensity"])
        assert point["operations_per_second"] <= roof * (1 + 1e-9)


BOOSTED = {  # multiprocessors, FP16 matrix operations of each a clock (dense), FP32 operations, boost clock in GHz
    "t4": (40, 1024, 128, 1.59), "a100": (108, 2048, 128, 1.41), "a10": (72, 1024, 256, 1.695),
    "rtx-3060": (28, 1024, 256, 1.777), "rtx-3090": (82, 1024, 256, 1.695), "l4": (60, 1024, 256, 2.04),
    "l40s": (142, 1024, 256, 2.52), "rtx-4060": (24, 1024, 256, 2.46), "rtx-4090": (128, 1024, 256, 2.52),
    "h100": (132, 4096, 256, 1.83), "h200": (132, 4096, 256, 1.83), "rtx-5090": (170, 1024, 256, 2.407),
}  # fmt: skip


@pytest.mark.parametrize("name", GPUS)
def test_rates_are_those_of_the_multiprocessors(name: str) -> None:
    count, matrix, single, clock = BOOSTED[name]
    # Data sheets round, and H100's FP32 is told at 1.98 GHz.
    assert GPUS[name].fp16 == pytest.approx(count * matrix * clock * 1e9, rel=0.04)
    assert GPUS[name].fp32 == pytest.approx(count * single * clock * 1e9, rel=0.09 if count == 132 else 0.04)
    assert GPUS[name].source


def test_gpus_are_found_by_name() -> None:
    assert [gpu.name for gpu in parse_gpus("L4, rtx-4090,l4")] == ["L4", "GeForce RTX 4090"]
    assert {gpu.target for gpu in gpus_of("sm86")} == {"sm86"}
    with pytest.raises(UsageError, match="--gpu l4,voodoo: unknown voodoo; known are t4, a100"):
        parse_gpus("l4,voodoo")


def test_figures_are_plausible() -> None:
    """Slips of a digit: matrix rates are 2 to 16 times the FP32 rate, but for data-centre GPUs up to Hopper."""
    needed = {"t4", "a10", "a100", "l4", "rtx-3060", "rtx-3090", "rtx-4060", "rtx-4090", "rtx-5090", "l40s", "h100"}
    assert needed <= set(GPUS)
    for gpu in GPUS.values():
        assert 3.9 < gpu.fp16 / gpu.fp32 < 16.1
        assert 2e11 < gpu.bandwidth < 5e12
        assert gpu.source

"""What a mask that stays could save: the same network with its mask as an input, and with `--fixed-mask`.

::

    python -m benchmarks.fixed_mask [--size 512] [--target sm89] [--rounds 11]

With `--fixed-mask` the whole mask path is constants, so it is the least that engines in two parts, one for the mask and
one for the features, could leave to do for each image. Both run on ONNX Runtime's CPU in turns (FP32); of both, FP16
engines are built and their plans counted and estimated, without a GPU. Networks are the U-Net of `benchmarks.export`,
with random weights, and the demo; gates depend on the features, so DeepFillv2 has no mask path to save. The result is
`benchmarks/results/fixed-mask.json`.
"""

import json
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import onnxruntime
import typer
from torch import nn

from benchmarks.export import RESULTS, make_network
from benchmarks.plan import LEVELS, measure as measure_plan
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask
from inpaintrt.validation.latency.timing import time_in_turns

DEMO = Path(__file__).parent.parent / "examples" / "demo.ckpt"


def networks() -> dict[str, tuple[nn.Module, Interface]]:
    """By name: the U-Net at its published size, and the small demo."""
    demo = load_checkpoint(DEMO)
    return {
        "U-Net": make_network("unet", LEVELS),
        "demo": (demo.network, demo.interface),
    }


def measure(network: nn.Module, interface: Interface, size: int, target: str, rounds: int) -> dict[str, Any]:
    """Seconds on the CPU and the plan of each form, and what the second saves of the first."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, size, size, 3), np.uint8)
    hole = irregular_mask(size, size, HOLE_RATIO_BUCKETS[1], rng)
    mask = (hole * 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bundles: dict[str, Bundle] = {
            form: export_onnx(
                network, Path(folder) / form, interface=interface, size=(size, size), io="image", fixed_mask=fixed
            )
            for form, fixed in (("input", None), ("fixed", hole))
        }
        runs = {}
        for form, bundle in bundles.items():
            session = open_session(bundle.file(bundle.onnx("fp32")), "cpu", 2)
            wanted = {each.name for each in session.get_inputs()}
            feed = {name: value for name, value in (("image", image), ("mask", mask[None])) if name in wanted}
            runs[form] = partial(session.run, None, feed)
        seconds = {form: median(found) for form, found in time_in_turns(runs, rounds).items()}
        plans = {form: measure_plan(each, each.file(each.onnx("fp16")), target) for form, each in bundles.items()}
    return {"cpu_seconds": seconds, "plans": plans}


def row(name: str, found: dict[str, Any]) -> str:
    """One line of the table in docs/benchmarks.md."""
    cpu, plans = found["cpu_seconds"], found["plans"]
    cells = [name, f"{1000 * cpu['input']:.0f} -> {1000 * cpu['fixed']:.0f} ms ({cpu['input'] / cpu['fixed']:.2f})"]
    if all("totals" in plan for plan in plans.values()):
        totals = [plans[form]["totals"] for form in ("input", "fixed")]
        cells.append(" -> ".join(f"{each['kernels']}" for each in totals))
        cells.append(" -> ".join(f"{each['bytes'] / 1e6:,.0f}" for each in totals))
        for gpu in plans["input"]["estimated_seconds"]:
            both = [1000 * plans[form]["estimated_seconds"][gpu] for form in ("input", "fixed")]
            cells.append(f"{gpu}: {both[0]:.2f} -> {both[1]:.2f} ms ({both[0] / both[1]:.2f})")
    else:
        cells.append(next(plan["reason"] for plan in plans.values() if "reason" in plan))
    return "| " + " | ".join(cells) + " |"


def main(
    size: Annotated[int, typer.Option(help="Height and width in pixels, a multiple of 128.")] = 512,
    target: Annotated[str, typer.Option(help="Compute capability of the engines.")] = "sm89",
    rounds: Annotated[int, typer.Option(help="Timed rounds on the CPU.", min=1)] = 11,
) -> None:
    """Measure each network, print its line and write the JSON."""
    found: dict[str, Any] = {"size": size, "target": target, "rounds": rounds, "onnxruntime": onnxruntime.__version__}
    for name, (network, interface) in networks().items():
        found[name] = measure(network, interface, size, target, rounds)
        print(row(name, found[name]), flush=True)  # noqa: T201 - for people to read
        (RESULTS / "fixed-mask.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)

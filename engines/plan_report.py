"""What `build-engines --plan` shows: the kernels of each engine as a table, and estimates for GPUs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inpaintrt.runtime.bundle import Artifact, Bundle
from inpaintrt.runtime.console import say, say_table
from inpaintrt.runtime.errors import UsageError

from .estimate import NOTE, estimate, estimated_seconds, rows_of
from .gpus import GPUS, Gpu, gpus_of, parse_gpus
from .kernel_plan import read_plan, resize, sizes_of
from .plan import KernelPlan, PlanError
from .store import input_axes
from .targets import ALL, LOCAL, parse_targets

SHOWN = 25
"""Kernels in the table; `--json` has them all."""


def check_gpus(text: str | None, plan: bool, target: str) -> list[Gpu]:
    """The GPUs of `--gpu`.

    Raises:
        UsageError: if they are unknown, `--plan` is missing, or no engine is built for one of them.
    """
    if text is None:
        return []
    if not plan:
        raise UsageError("--gpu gives estimates of a plan; add --plan")
    gpus = parse_gpus(text)
    built = parse_targets(target)
    missing = [gpu for gpu in gpus if gpu.target not in built and LOCAL not in built]
    if missing and target != ALL:
        first = missing[0]
        raise UsageError(f"--gpu: the {first.name} needs an engine for {first.target}; add it to --target {target}")
    return gpus


def describe_plan(bundle: Path, engine: Artifact, gpus: Sequence[Gpu]) -> dict[str, Any]:
    """The plan of an engine as JSON, with estimates for those of `gpus` that it is for.

    Returns:
        `plan` and `estimates`: for each GPU and each size of the profile `gpu`, `batch`, `height`, `width`, `seconds`
        and `note`. Or `no_plan`, the reason.
    """
    opened = Bundle.open(bundle)
    try:
        plan = read_plan(opened, engine)
    except PlanError as error:
        return {"no_plan": str(error)}
    chosen = [gpu for gpu in gpus if gpu.target == engine.target]
    estimates: list[dict[str, Any]] = []
    if chosen:
        model, axes = opened.file(opened.onnx(str(engine.precision))), input_axes(opened)
        for batch, height, width in sizes_of(opened.interface.profile):
            sized = resize(plan, model, axes, batch, height, width)
            estimates += [
                {"gpu": gpu.name, "batch": batch, "height": height, "width": width,
                 "seconds": estimated_seconds(sized, gpu), "note": NOTE}
                for gpu in chosen
            ]  # fmt: skip
    return {"plan": plan.to_document(), "estimates": estimates}


def say_plan(engine: Artifact, result: dict[str, Any]) -> None:
    """The table of one engine; what `describe_plan` gave."""
    if "no_plan" in result:
        say(f"no plan: {result['no_plan']}" if "no plan" not in result["no_plan"] else result["no_plan"])
        return
    plan = KernelPlan.from_document(result["plan"])
    totals = plan.totals()
    say(
        f"\n{plan.backend} {plan.backend_version}, {engine.precision} for {plan.target}, batch {plan.batch} of "
        f"{plan.height}x{plan.width}: {totals['kernels']} kernels, {totals['bytes'] / 1e6:.1f} MB through memory "
        f"(constants {totals['constant_bytes'] / 1e6:.1f}), {totals['peak_memory'] / 1e6:.1f} MB of device memory, "
        f"{totals['streams']} stream{'s' if totals['streams'] > 1 else ''}, {totals['waits']} waits"
    )
    say("kernels by kind: " + ", ".join(f"{count} {kind}" for kind, count in totals["kinds"].items()))
    work = ", ".join(f"{count / 1e6:.1f} M in {kind}" for kind, count in totals["multiply_adds"].items())
    say(f"multiply-adds: {work or 'none'}")
    names = [each["gpu"] for each in result["estimates"]]
    gpu = next((g for g in GPUS.values() if g.name in names), None) or next(iter(gpus_of(plan.target)), None)
    if gpu is None:
        say(f"no estimate: no public figures of a GPU of {plan.target}; engines/gpus.py has those of {', '.join(GPUS)}")
        return
    rows = rows_of(estimate(plan, gpu))
    say_table(
        (f"us on {gpu.name} ({NOTE})", "share", "kind", "MB", "multiply-adds", "bound", "ONNX nodes"), rows[:SHOWN]
    )
    if len(rows) > SHOWN:
        say(f"and {len(rows) - SHOWN} shorter ones; --json has them all")
    say_estimates(result["estimates"])


def say_estimates(estimates: Sequence[dict[str, Any]]) -> None:
    """Milliseconds for each size and GPU."""
    names = list(dict.fromkeys(each["gpu"] for each in estimates))
    sizes = list(dict.fromkeys((each["batch"], each["height"], each["width"]) for each in estimates))
    found = {(each["gpu"], each["batch"], each["height"], each["width"]): each["seconds"] for each in estimates}
    if estimates:
        rows = [
            (f"{batch} of {height}x{width}", *(f"{1e3 * found[name, batch, height, width]:.3f}" for name in names))
            for batch, height, width in sizes
        ]
        say_table((f"ms ({NOTE})", *names), rows)

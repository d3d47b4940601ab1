"""What engines will run, for the report: each kernel plan of a bundle against the limits of a GPU it is for."""

from typing import Any

from inpaintrt.engines.estimate import roofline
from inpaintrt.engines.gpus import gpus_of
from inpaintrt.engines.kernel_plan import plan_of, read_plan
from inpaintrt.runtime.bundle import Bundle


def kernel_plans(bundle: Bundle) -> list[dict[str, Any]]:
    """For each engine that has a plan: `title`, `totals` of the plan, and `roofline`, None without public figures.

    Raises:
        BundleError, PlanError: if a plan's file was altered, or is none.
    """
    found = []
    for engine in bundle.engines():
        if plan_of(bundle, engine) is None:
            continue
        plan = read_plan(bundle, engine)
        gpu = next(iter(gpus_of(str(engine.target))), None)
        size = f"batch {plan.batch} of {plan.height}x{plan.width}"
        found.append({
            "title": f"{engine.backend} {engine.backend_version} {engine.precision} for {engine.target}, {size}",
            "totals": plan.totals(), "roofline": None if gpu is None else roofline(plan, gpu),
        })  # fmt: skip
    return found

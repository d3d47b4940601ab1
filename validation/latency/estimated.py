"""Measured latency of an engine beside the estimate from its kernel plan, which no kernel can beat."""

from contextlib import suppress
from typing import Any

from inpaintrt.engines.estimate import NOTE, estimated_seconds
from inpaintrt.engines.gpus import Gpu
from inpaintrt.engines.kernel_plan import read_plan, resize
from inpaintrt.engines.plan import PlanError
from inpaintrt.engines.store import input_axes
from inpaintrt.runtime.bundle import Bundle


def estimates_for(bundle: Bundle, shape: tuple[int, int, int], gpu: Gpu | None) -> dict[str, float]:
    """Seconds of one call by sha256 of each engine that has a kernel plan; none on a GPU without public figures.

    Args:
        bundle: whose engines they are.
        shape: batch, height, width.
        gpu: what they run on.
    """
    found: dict[str, float] = {}
    for engine in bundle.engines() if gpu is not None else []:
        with suppress(PlanError):  # an engine without a plan is measured all the same
            model = bundle.file(bundle.onnx(str(engine.precision)))
            plan = resize(read_plan(bundle, engine), model, input_axes(bundle), *shape)
            assert gpu is not None
            found[engine.sha256] = estimated_seconds(plan, gpu)
    return found


def add_estimates(rows: dict[str, dict[str, Any]], estimates: dict[str, float]) -> list[str]:
    """Give the row of each engine its `estimated_seconds`, and `times_the_estimate`: what was measured over it.

    Measured is the computation where copies are told apart from it, as estimates leave copies out.

    Returns:
        The same as a sentence for each engine.
    """
    words = []
    for name, row in rows.items():
        seconds = estimates.get(str(row["sha256"]))
        if seconds is not None and "end to end" in row:
            measured = row.get("compute", row["end to end"])["p50"]
            row |= {"estimated_seconds": seconds, "times_the_estimate": measured / seconds}
            words.append(
                f"{name}: measured {1000 * measured:.3g} ms, {measured / seconds:.3g} times the "
                f"{1000 * seconds:.3g} ms of its kernel plan ({NOTE})."
            )
    return words

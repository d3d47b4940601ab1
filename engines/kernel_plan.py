"""From a build to the plan of its engine, and from a bundle to the plan it holds."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inpaintrt.runtime.bundle import Artifact, Bundle, Profile

from .build import Build
from .plan import KernelPlan, PlanError
from .plan_inspector import parse_inspection
from .plan_log import parse_log
from .plan_sizes import at_size

SUFFIX = ".plan.json"
"""What the name of a plan has after the name of its engine."""

Axes = Mapping[str, tuple[str, ...]]


def make_plan(
    built: Build, model: bytes, profile: Profile, axes: Axes, backend: str, version: str, target: str
) -> KernelPlan:
    """The plan of an engine at the best size of its profile.

    Args:
        built: the engine, and what the library said.
        model: the content of the ONNX file.
        profile: the sizes the engine takes.
        axes: for each input, its axes as names of the profile or numbers.
        backend, version, target: of the engine.

    Raises:
        PlanError: if what the library said is not understood.
    """
    try:
        parse = parse_log if backend == "tensorrt-rtx" else parse_inspection
        kernels, between, memory = parse(built.words)
        batch, height, width = profile.batch[1], profile.height[1], profile.width[1]
        plan = KernelPlan(
            backend, version, target, batch, height, width, tuple(kernels), between["signal"], between["wait"], memory
        )
        return resize(plan, model, axes, batch, height, width)
    except PlanError:
        raise
    except Exception as error:  # a plan is an extra: nothing about it may cost the engine
        raise PlanError(f"{type(error).__name__}: {error}") from error


def resize(plan: KernelPlan, model: bytes, axes: Axes, batch: int, height: int, width: int) -> KernelPlan:
    """The same kernels at another size, of an engine for many sizes."""
    import onnx

    named = {"batch": batch, "height": height, "width": width}
    sizes = {name: tuple(named.get(axis) or int(axis) for axis in each) for name, each in axes.items()}
    kernels = at_size(plan.kernels, onnx.load_from_string(model), sizes)
    return replace(plan, kernels=kernels, batch=batch, height=height, width=width)


def sizes_of(profile: Profile) -> list[tuple[int, int, int]]:
    """Each batch with each size of a profile, smallest first, as (batch, height, width)."""
    sizes = dict.fromkeys(zip(profile.height, profile.width, strict=True))
    return [(batch, *size) for size in sizes for batch in dict.fromkeys(profile.batch)]


def plan_of(bundle: Bundle, engine: Artifact) -> Artifact | None:
    """The artifact of an engine's plan; None where it has none."""
    return next((a for a in bundle.artifacts if a.kind == "plan" and a.path == engine.path + SUFFIX), None)


def read_plan(bundle: Bundle, engine: Artifact) -> KernelPlan:
    """The plan of an engine, checked by its sha256.

    Raises:
        PlanError: if the engine has none, with the reason that the build gave, or it is no plan.
        BundleError: if the file is missing or was altered.
    """
    artifact = plan_of(bundle, engine)
    if artifact is None:
        reason = engine.details.get("no_plan", "it was built without; build-engines --plan makes one")
        raise PlanError(f"{engine.path}: no plan: {reason}")
    return KernelPlan.from_document(_json(bundle.file(artifact)))


def plan_content(plan: KernelPlan) -> bytes:
    """The content of `<engine>.plan.json`."""
    return json.dumps(plan.to_document(), indent=1, allow_nan=False).encode() + b"\n"


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise PlanError(f"no kernel plan: {error}; build-engines --plan makes one") from None

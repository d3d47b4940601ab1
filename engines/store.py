"""The engine store of a bundle: content-addressed, so that an engine is never reused for what it was not built from.

An engine's key is the sha256 of everything it depends on: the ONNX content, library and version, target, precision,
shape profile and builder options; of TensorRT also the name of the GPU, on which its kernels were timed. An engine
whose key is already in the bundle, with an unaltered file, is up to date.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.backends.gpu import LIBRARIES, load_library, local_target, open_device
from inpaintrt.runtime.bundle import Artifact, Bundle
from inpaintrt.runtime.errors import BackendError, BundleError, EngineBuildError, UsageError

from . import build
from .kernel_plan import SUFFIX, make_plan, plan_content, plan_of
from .plan import PlanError
from .targets import AHEAD_OF_TIME, LOCAL, parse_targets

Backend = Literal["auto", "tensorrt", "tensorrt-rtx"]

BUILD_TIMEOUT = 3600.0
"""Seconds to wait for another process that builds the same engine."""

OnStart = Callable[[str], None]


@dataclass(frozen=True)
class BuiltEngine:
    """An engine of the bundle, and whether it was there already."""

    artifact: Artifact
    up_to_date: bool


def build_engines(
    bundle: str | Path,
    *,
    backend: Backend = "auto",
    target: str = LOCAL,
    precisions: Sequence[str] = ("fp16",),
    plan: bool = False,
    on_start: OnStart = lambda _: None,
    on_progress: build.OnProgress = lambda _: None,
) -> list[BuiltEngine]:
    """Build the engines of a bundle that are not up to date.

    Args:
        bundle: directory of the bundle.
        backend: `tensorrt` builds for the GPU it is on; `tensorrt-rtx` for any target on any machine; `auto` takes
            TensorRT for the local GPU and TensorRT-RTX for named targets.
        target: `local`, `all`, or compute capabilities separated by commas.
        precisions: `fp16`, `fp32` or both; the bundle must hold these ONNX models.
        plan: whether each engine must have its kernel plan (`kernel_plan.read_plan`) or the reason why it has none. An
            engine without is built again. TensorRT-RTX gives plans unasked; TensorRT needs a second build for one.
        on_start: called with a description as each build begins.
        on_progress: called with the share done, 0..1, of the current build.

    Returns:
        One entry for each target and precision, in that order.

    Raises:
        UsageError: if backend and target do not fit each other.
        EngineBuildError: if a library or GPU is missing, or a build fails; engines built before it stay.
        BundleError: if the bundle is missing or altered, or another process holds it.
    """
    opened = Bundle.open(bundle)
    if not precisions or set(precisions) - {"fp16", "fp32"}:
        raise UsageError(f"--precision is fp16, fp32 or fp16,fp32, not {','.join(precisions) or 'empty'}")
    targets = parse_targets(target)
    chosen = _choose_backend(backend, targets)
    library = build.select_library(chosen)
    targets = list(dict.fromkeys(_resolve(chosen, name) for name in targets))
    version = str(library.__version__)
    models = {precision: opened.onnx(precision) for precision in precisions}
    gpu = str(open_device(0).name) if chosen == "tensorrt" else None
    engines = []
    for name in targets:
        for model in models.values():
            order = _Order(opened.path, model, chosen, version, name, plan, gpu)
            engines.append(_build_one(order, on_start, on_progress))
    return engines


@dataclass(frozen=True)
class _Order:
    """What is to be built; `gpu` is the name of the GPU an engine of TensorRT is built on and for."""

    directory: Path
    model: Artifact
    backend: str
    version: str
    target: str
    plan: bool
    gpu: str | None = None

    def key(self, bundle: Bundle) -> str:
        entries = {
            "onnx": self.model.sha256,
            "backend": self.backend,
            "version": self.version,
            "target": self.target,
            "precision": self.model.precision,
            "profile": asdict(bundle.interface.profile),
            "options": build.OPTIONS,
        } | self.of_gpu()
        return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()

    def of_gpu(self) -> dict[str, str]:
        """The entry by which the runtime refuses such an engine on a GPU of another name."""
        return {} if self.gpu is None else {"gpu": self.gpu}

    def path(self, key: str) -> str:
        return f"{bundles.ENGINES}/{self.backend}-{self.version}-{self.target}-{self.model.precision}-{key[:12]}.engine"


def _choose_backend(backend: Backend, targets: Sequence[str]) -> str:
    if backend not in ("auto", *LIBRARIES):
        raise UsageError(f"--backend is auto, {' or '.join(LIBRARIES)}, not {backend!r}")
    named = [target for target in targets if target != LOCAL]
    if backend == "tensorrt" and named:
        raise UsageError(
            f"--backend tensorrt builds only for the GPU of this machine, not for {', '.join(named)}; "
            "use --target local there, or --backend tensorrt-rtx here"
        )
    if backend != "auto":
        return backend
    if named:
        return "tensorrt-rtx"
    try:
        load_library("tensorrt")
    except BackendError:
        return "tensorrt-rtx"
    return "tensorrt"


def _resolve(backend: str, target: str) -> str:
    if target != LOCAL:
        return target
    try:
        found = local_target()
    except BackendError as error:
        hint = "name a target, such as --target sm89, to build for another machine" if backend == "tensorrt-rtx" else (
            "TensorRT builds only on the GPU it builds for"
        )  # fmt: skip
        raise EngineBuildError(f"--target local: {error}; {hint}") from None
    if backend == "tensorrt-rtx" and found not in AHEAD_OF_TIME:
        raise EngineBuildError(f"--target local: TensorRT-RTX does not support {found}; use --backend tensorrt")
    return found


def _build_one(order: _Order, on_start: OnStart, on_progress: build.OnProgress) -> BuiltEngine:
    """Build under a lock of the engine's own, so that two builders of one engine do the work once."""
    bundle = Bundle.open(order.directory)
    key = order.key(bundle)
    existing = _existing(bundle, key, order.plan)
    if existing is not None:
        return BuiltEngine(existing, up_to_date=True)  # also on a disk that cannot be written
    with bundles.lock(order.directory / bundles.ENGINES, f".{key[:12]}.lock", BUILD_TIMEOUT):
        bundle = Bundle.open(order.directory)
        existing = _existing(bundle, key, order.plan)
        if existing is not None:
            return BuiltEngine(existing, up_to_date=True)
        on_start(f"{order.backend} {order.version}: {order.model.precision} engine for {order.target}")
        content, profile = bundle.file(order.model), bundle.interface.profile
        axes = input_axes(bundle)
        built = build.build_engine(order.backend, content, order.target, profile, axes, on_progress, order.plan)
        if order.backend == "tensorrt" and not order.plan:
            return BuiltEngine(_add(order, key, built.engine, None, None), up_to_date=False)
        try:
            plan = make_plan(built, content, profile, axes, order.backend, order.version, order.target)
        except PlanError as error:
            return BuiltEngine(_add(order, key, built.engine, None, str(error)), up_to_date=False)
        return BuiltEngine(_add(order, key, built.engine, plan_content(plan), None), up_to_date=False)


def input_axes(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """For each input of a bundle's models, its axes as names of the profile or numbers."""
    shapes = bundle.interface.input_shapes("batch", "height", "width")
    return {name: tuple(map(str, axes)) for name, axes in shapes.items()}


def _existing(bundle: Bundle, key: str, wants_plan: bool) -> Artifact | None:
    for engine in bundle.engines():
        if engine.key == key:
            try:
                bundle.file(engine)
                plan = plan_of(bundle, engine)
                if plan is not None:
                    bundle.file(plan)
            except BundleError:
                return None  # altered or gone: build it again
            told = plan is not None or "no_plan" in engine.details
            return engine if told or not wants_plan else None
    return None


def _add(order: _Order, key: str, engine: bytes, plan: bytes | None, no_plan: str | None) -> Artifact:
    """Take an engine into the bundle, with its plan or the reason why there is none (None where nobody asked)."""
    entries: dict[str, Any] = {
        "precision": order.model.precision, "backend": order.backend, "backend_version": order.version,
        "target": order.target, "key": key,
    }  # fmt: skip
    details: dict[str, Any] = {
        "onnx_sha256": order.model.sha256,
        "marked": build.mark_of(order.model.sha256).encode() in engine,
    } | order.of_gpu()
    if no_plan is not None:
        details["no_plan"] = no_plan
    new = [(bundles.describe_file(engine, order.path(key), "engine", details=details, **entries), engine)]
    if plan is not None:
        belongs = {"onnx_sha256": order.model.sha256}  # an export of the same model keeps both
        new.append((bundles.describe_file(plan, order.path(key) + SUFFIX, "plan", details=belongs, **entries), plan))
    with contextlib.ExitStack() as files:
        staged = {
            artifact.path: files.enter_context(bundles.stage(order.directory, f"new.{artifact.kind}", content))
            for artifact, content in new
        }
        files.enter_context(bundles.lock(order.directory))
        bundle = Bundle.open(order.directory)
        if order.model.sha256 not in {a.sha256 for a in bundle.artifacts if a.kind == "onnx"}:
            raise EngineBuildError(f"{order.directory} was exported again during the build; run build-engines again")
        others = tuple(a for a in bundle.artifacts if a.key != key)
        bundles.commit(replace(bundle, artifacts=(*others, *(each for each, _ in new))), staged)
    return new[0][0]

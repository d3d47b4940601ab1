"""One engine: an ONNX model becomes a serialised engine, through Polygraphy, for TensorRT and TensorRT-RTX alike.

The network is strongly typed: the graph says what is FP16 and what is FP32. TF32 is off, because what the graph keeps
in FP32 is there for its accuracy: mask sums must stay integers.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inpaintrt.runtime.backends.gpu import load_library
from inpaintrt.runtime.bundle import Profile
from inpaintrt.runtime.errors import BackendError, EngineBuildError

from .plan_log import is_about_kernels
from .targets import compute_capability

OPTIONS = {"strongly_typed": True, "tf32": False, "marked": True}
"""Builder options; part of an engine's key."""

OnProgress = Callable[[float], None]


def select_library(backend: str) -> Any:
    """Load TensorRT or TensorRT-RTX and point Polygraphy to it.

    Raises:
        EngineBuildError: if the library is missing, or this process already built with the other one, which Polygraphy
            cannot undo.
    """
    try:
        library = load_library(backend)
    except BackendError as error:
        raise EngineBuildError(str(error)) from None
    wants_rtx = backend == "tensorrt-rtx"
    if "polygraphy" not in sys.modules:
        os.environ["POLYGRAPHY_USE_TENSORRT_RTX"] = "1" if wants_rtx else "0"
    try:
        from polygraphy import config  # reads the environment when it is first imported
    except ImportError:
        raise EngineBuildError(
            "polygraphy is not installed; in the checkout, pip install -e '.[rtx]', or '.[gpu]' for TensorRT"
        ) from None
    if wants_rtx != config.USE_TENSORRT_RTX:
        raise EngineBuildError(
            f"this process already uses Polygraphy with the other library; build {backend} in a new one"
        )
    return library


def mark_of(onnx_sha256: str) -> str:
    """The name that an engine's network gets, by which the engine tells what model it was built from.

    The libraries keep it in plain bytes, so that a file that took another one's place is found out without a GPU.
    """
    return f"inpaintrt onnx {onnx_sha256}"


@dataclass(frozen=True)
class Build:
    """A serialised engine, and what the library said of its kernels; `kernel_plan` reads that."""

    engine: bytes
    words: str


def build_engine(
    backend: str,
    model: bytes,
    target: str,
    profile: Profile,
    image_shapes: dict[str, tuple[str, ...]],
    progress: OnProgress,
    inspect: bool = False,
) -> Build:
    """Build one engine.

    Args:
        backend: `tensorrt`, which builds for the local GPU, or `tensorrt-rtx`, which builds for any.
        model: the content of the ONNX file.
        target: compute capability such as `sm89`.
        profile: the sizes the engine must take.
        image_shapes: for each input, its axes as names of the profile or numbers.
        progress: called with the share done, 0..1.
        inspect: whether to ask TensorRT for its kernels, which takes a second build; TensorRT-RTX tells them anyway.

    Raises:
        EngineBuildError: with the library's own words.
    """
    library = select_library(backend)
    from polygraphy.logger import G_LOGGER  # after the library was chosen

    with G_LOGGER.verbosity(G_LOGGER.CRITICAL + 1), listening(library) as heard:
        try:
            if backend == "tensorrt-rtx":
                # Detailed verbosity leaves the bytes of such an engine as they are.
                config = _make_config(library, profile, image_shapes, progress, target=target, detailed=True)
                built = Build(_run(library, model, config), "\n".join(heard.kernels))
            else:
                built = _build_on_its_gpu(library, model, profile, image_shapes, progress, inspect)
        except Exception as error:  # Polygraphy's own and the library's
            words = whole_reason(heard.errors) or str(error).strip().splitlines()[-1]
            raise EngineBuildError(f"{backend} cannot build an engine for {target}: {words}") from error
    progress(1.0)
    return built


def whole_reason(errors: Sequence[str]) -> str:
    """What a library said as one line: each message once, without the node's listing."""
    messages = [" ".join(message.split()) for message in errors]
    return " ".join(dict.fromkeys(message for message in messages if "--- End node ---" not in message))


def _make_config(
    library: Any,
    profile: Profile,
    image_shapes: dict[str, tuple[str, ...]],
    progress: OnProgress,
    *,
    target: str | None = None,
    detailed: bool = False,
    **more: Any,
) -> Any:
    """What Polygraphy configures the builder with; `target` for TensorRT-RTX only."""
    from polygraphy.backend.trt import CreateConfig, PostprocessConfig, Profile as ShapeProfile

    shapes = ShapeProfile()
    for name, axes in image_shapes.items():
        shapes.add(name, *(_shape(axes, profile, index) for index in range(3)))
    options: dict[str, Any] = {"profiles": [shapes], "progress_monitor": make_monitor(library, progress)} | more
    if detailed:
        options["profiling_verbosity"] = library.ProfilingVerbosity.DETAILED
    if target is not None:
        from polygraphy.backend.tensorrt_rtx import CreateConfigRTX

        config: Any = CreateConfigRTX(compute_capabilities=[compute_capability(target)], **options)
    else:
        config = CreateConfig(**options)
    return PostprocessConfig(config, lambda builder, network, config: clear_tf32(library, config))


def _run(library: Any, model: bytes, config: Any, **options: Any) -> bytes:
    from polygraphy.backend.trt import EngineBytesFromNetwork, NetworkFromOnnxBytes

    # TensorRT 11 and later TensorRT-RTX know nothing but strongly typed networks and dropped the flag.
    flags = {"strongly_typed": True} if hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") else {}

    def marked_network() -> Any:
        builder, network, parser = NetworkFromOnnxBytes(model, **flags)()
        network.name = mark_of(hashlib.sha256(model).hexdigest())
        return builder, network, parser

    return bytes(EngineBytesFromNetwork(marked_network, config, **options)())


def _build_on_its_gpu(
    library: Any,
    model: bytes,
    profile: Profile,
    image_shapes: dict[str, tuple[str, ...]],
    progress: OnProgress,
    inspect: bool,
) -> Build:
    """Build with TensorRT; with `inspect`, once more in detail by the same timings, so that the engine stays as it is.

    Written against TensorRT's and Polygraphy's documentation; it has never run, for want of a GPU.
    """
    with tempfile.TemporaryDirectory() as folder:
        timings = str(Path(folder) / "timing.cache")
        engine = _run(library, model, _make_config(library, profile, image_shapes, progress), save_timing_cache=timings)
        if not inspect:
            return Build(engine, "")
        config = _make_config(
            library, profile, image_shapes, progress, detailed=True, load_timing_cache=timings
        )  # fmt: skip
        try:
            return Build(engine, inspect_engine(library, _run(library, model, config)))
        except Exception as error:  # the engine is good, whatever became of its second build
            return Build(engine, f"inspecting failed: {error}")


def inspect_engine(library: Any, engine: bytes) -> str:
    """What the library's engine inspector says of an engine that was built in detail, as JSON; it needs the GPU."""
    runtime = library.Runtime(library.Logger(library.Logger.ERROR))
    inspector = runtime.deserialize_cuda_engine(engine).create_engine_inspector()
    return str(inspector.get_engine_information(library.LayerInformationFormat.JSON))


def _shape(axes: tuple[str, ...], profile: Profile, index: int) -> tuple[int, ...]:
    """The smallest (0), best (1) or largest (2) shape."""
    return tuple(getattr(profile, axis)[index] if not axis.isdigit() else int(axis) for axis in axes)


def make_monitor(library: Any, progress: OnProgress) -> Any:
    """A progress monitor of the library, which reports the share of its outermost phase that is done."""

    class Monitor(library.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self.phases: dict[str, tuple[str | None, int, int]] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.phases[phase_name] = (parent_phase, num_steps, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            parent, steps, _ = self.phases[phase_name]
            self.phases[phase_name] = (parent, steps, step + 1)
            progress(self.share())
            return True

        def phase_finish(self, phase_name: str) -> None:
            self.phases.pop(phase_name, None)

        def share(self) -> float:
            roots = [(done, steps) for parent, steps, done in self.phases.values() if not parent]
            return max((done / max(steps, 1) for done, steps in roots), default=0.0)

    return Monitor()


def clear_tf32(library: Any, config: Any) -> None:
    """Switch off TF32, which is on by default where the library knows it."""
    if hasattr(library.BuilderFlag, "TF32"):
        config.clear_flag(library.BuilderFlag.TF32)


@dataclass
class Heard:
    """What a library logged: errors, and messages about kernels and memory."""

    errors: list[str] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)


@contextlib.contextmanager
def listening(library: Any) -> Iterator[Heard]:
    """Collect what the library logs during Polygraphy's calls, instead of printing it."""
    from polygraphy.backend.trt import util

    heard = Heard()

    class Listener(library.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            library.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.Severity.INTERNAL_ERROR, library.ILogger.Severity.ERROR):
                heard.errors.append(message.strip())
            elif is_about_kernels(message):
                heard.kernels.append(message)

    original, listener = util.get_trt_logger, Listener()
    util.get_trt_logger = lambda: listener
    try:
        yield heard
    finally:
        util.get_trt_logger = original

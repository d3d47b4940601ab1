"""One engine: an ONNX model becomes a serialised engine, through Polygraphy, for TensorRT and TensorRT-RTX alike.

The network is strongly typed: the graph says what is FP16 and what is FP32. TF32 is off, because what the graph keeps
in FP32 is there for its accuracy: mask sums must stay integers.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from inpaintrt.runtime.backends.gpu import load_library
from inpaintrt.runtime.bundle import Profile
from inpaintrt.runtime.errors import BackendError, EngineBuildError

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
            "polygraphy is not installed; pip install 'inpaintrt[rtx]' or 'inpaintrt[gpu]'"
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


def build_engine(
    backend: str,
    model: bytes,
    target: str,
    profile: Profile,
    image_shapes: dict[str, tuple[str, ...]],
    progress: OnProgress,
) -> bytes:
    """Build one engine.

    Args:
        backend: `tensorrt`, which builds for the local GPU, or `tensorrt-rtx`, which builds for any.
        model: the content of the ONNX file.
        target: compute capability such as `sm89`.
        profile: the sizes the engine must take.
        image_shapes: for each input, its axes as names of the profile or numbers.
        progress: called with the share done, 0..1.

    Raises:
        EngineBuildError: with the library's own words.
    """
    library = select_library(backend)
    from polygraphy.backend.trt import (  # after the library was chosen
        CreateConfig,
        EngineBytesFromNetwork,
        NetworkFromOnnxBytes,
        PostprocessConfig,
        Profile as ShapeProfile,
    )
    from polygraphy.logger import G_LOGGER

    shapes = ShapeProfile()
    for name, axes in image_shapes.items():
        shapes.add(name, *(_shape(axes, profile, index) for index in range(3)))
    options: dict[str, Any] = {"profiles": [shapes], "progress_monitor": make_monitor(library, progress)}
    if backend == "tensorrt-rtx":
        from polygraphy.backend.tensorrt_rtx import CreateConfigRTX

        config: Any = CreateConfigRTX(compute_capabilities=[compute_capability(target)], **options)
    else:
        config = CreateConfig(**options)
    config = PostprocessConfig(config, lambda builder, network, config: clear_tf32(library, config))
    # TensorRT 11 and later TensorRT-RTX know nothing but strongly typed networks and dropped the flag.
    flags = {"strongly_typed": True} if hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") else {}

    def marked_network() -> Any:
        builder, network, parser = NetworkFromOnnxBytes(model, **flags)()
        network.name = mark_of(hashlib.sha256(model).hexdigest())
        return builder, network, parser

    with G_LOGGER.verbosity(G_LOGGER.CRITICAL + 1), collect_errors(library) as errors:
        try:
            engine = bytes(EngineBytesFromNetwork(marked_network, config)())
        except Exception as error:  # Polygraphy's own and the library's
            words = errors[0] if errors else str(error).strip().splitlines()[-1]
            raise EngineBuildError(f"{backend} cannot build an engine for {target}: {words}") from error
    progress(1.0)
    return engine


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


@contextlib.contextmanager
def collect_errors(library: Any) -> Iterator[list[str]]:
    """Collect what the library logs as errors during Polygraphy's calls, instead of printing it."""
    from polygraphy.backend.trt import util

    errors: list[str] = []

    class Listener(library.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            library.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.Severity.INTERNAL_ERROR, library.ILogger.Severity.ERROR):
                errors.append(message.strip())

    original, listener = util.get_trt_logger, Listener()
    util.get_trt_logger = lambda: listener
    try:
        yield errors
    finally:
        util.get_trt_logger = original

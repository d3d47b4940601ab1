"""The TensorRT backend without a GPU: its use of the libraries, on stand-ins with the real classes' names and memory.

What runs on a GPU is proven by `test_gpu.py` alone; here are its order of calls, its one graph for each shape, and
that every attribute it uses exists in the installed libraries.
"""

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle
from inpaintrt.runtime.backends import tensor_rt
from inpaintrt.runtime.backends.tensor_rt import SHAPES_KEPT, TensorRTBackend
from inpaintrt.runtime.bundle import Artifact
from inpaintrt.runtime.errors import BackendError


class Buffer:
    """Memory with a handle, as `cuda.core.Buffer`."""

    def __init__(self, size: int):
        self.memory = np.zeros(size, np.uint8)
        self.handle = self.memory.ctypes.data
        self.closed = False

    def copy_from(self, other: "Buffer", *, stream: "Stream") -> None:
        stream.do(lambda: self.memory.__setitem__(slice(None), other.memory))

    def copy_to(self, other: "Buffer", *, stream: "Stream") -> None:
        other.copy_from(self, stream=stream)

    def close(self, stream: Any = None) -> None:
        self.closed = True


class Stream:
    """Runs at once; a graph builder records instead."""

    handle = 1

    def __init__(self) -> None:
        self.log: list[str] = []

    def do(self, work: Any) -> None:
        work()

    def sync(self) -> None:
        pass

    def close(self) -> None:
        self.log.append("stream closed")

    def create_graph_builder(self) -> "Builder":
        return Builder(self)


class Builder:
    """Records work, as `cuda.core.graph.GraphBuilder`."""

    def __init__(self, stream: Stream):
        self.stream = SimpleNamespace(handle=2)
        self.owner = stream
        self.work: list[Any] = []

    def do(self, work: Any) -> None:
        self.work.append(work)

    def begin_building(self, mode: str) -> None:
        self.owner.log.append(f"capture {mode}")

    def end_building(self) -> None:
        self.owner.log.append("captured")

    def complete(self) -> Any:
        return SimpleNamespace(launch=self.launch, close=lambda: self.owner.log.append("graph closed"))

    def launch(self, stream: Stream) -> None:
        stream.log.append("launch")
        for work in self.work:
            work()

    def close(self) -> None:
        pass


class Context:
    """Inverts the holes of an image of at most 64 pixels a side."""

    recorder: Any = None

    def __init__(self, library: "Library"):
        self.library = library
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = tuple(shape)
        return max(shape) <= 64

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes["image"]

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def is_stream_capturable(self, stream: int) -> bool:
        return self.library.capturable

    def execute_async_v3(self, stream: int) -> bool:
        if self.library.fails:
            return False
        # What is captured runs at each launch; the stand-in has no stream to hook into, so it runs now as well.
        self.library.executions += 1
        image, mask = (self._array(name, self.shapes[name]) for name in ("image", "mask"))
        self._array("composite", self.shapes["image"])[...] = np.where(mask[..., None] != 0, 255 - image, image)
        return True

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self.addresses[name])).reshape(shape)


class Library:
    """Stands for the module `tensorrt` or `tensorrt_rtx`."""

    __version__ = "1.0"
    Logger = type("Logger", (), {"ERROR": 1, "__init__": lambda *_: None})

    def __init__(self) -> None:
        self.capturable, self.fails, self.loads, self.executions = False, False, True, 0
        self.cache = SimpleNamespace(serialize=lambda: b"compiled", deserialize=self.read_cache)
        self.read: list[bytes] = []
        self.contexts = 0

    def read_cache(self, content: bytes) -> None:
        self.read.append(content)

    def Runtime(self, logger: Any) -> Any:  # noqa: N802 - the library's name
        return SimpleNamespace(deserialize_cuda_engine=lambda content: self.engine() if self.loads else None)

    def engine(self) -> Any:
        config = SimpleNamespace(create_runtime_cache=lambda: self.cache, set_runtime_cache=lambda cache: None)
        return SimpleNamespace(create_runtime_config=lambda: config, create_execution_context=self.context)

    def context(self, config: Any = None) -> Context:
        self.contexts += 1
        return Context(self)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made, stream = Library(), Stream()
    device = SimpleNamespace(
        create_stream=lambda: stream, set_current=lambda: None, allocate=lambda size, stream: Buffer(size)
    )
    made.stream = stream  # type: ignore[attr-defined]
    monkeypatch.setattr(tensor_rt, "load_library", lambda _: made)
    monkeypatch.setattr(tensor_rt, "open_device", lambda _: device)
    core = pytest.importorskip("cuda.core")
    monkeypatch.setattr(core, "LegacyPinnedMemoryResource", lambda: SimpleNamespace(allocate=Buffer))
    return made


def engine_of(bundle: Bundle, backend: str) -> Artifact:
    from inpaintrt.runtime import bundle as bundles

    path = bundle.path / "engines" / "x.engine"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"an engine")
    return bundles.describe_file(
        b"an engine", "engines/x.engine", "engine", "fp16", backend=backend, backend_version="1.0", target="sm89"
    )


def pair(side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8), rng.integers(0, 2, (1, side, side), dtype=np.uint8)


def feed(side: int, seed: int = 0) -> dict[str, np.ndarray]:
    return dict(zip(("image", "mask"), pair(side, seed), strict=True))


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_every_call_fills_its_own_picture(bundle: Bundle, library: Library, backend: str) -> None:
    runner = TensorRTBackend(bundle, engine_of(bundle, backend))
    for seed in range(4):
        for side in (16, 32):
            image, mask = pair(side, seed)
            assert (
                runner.run({"image": image, "mask": mask}) == np.where(mask[..., None] != 0, 255 - image, image)
            ).all()
    assert library.contexts == 2  # one for each shape
    runner.close()
    runner.close()


def test_a_graph_is_captured_at_the_second_call_and_replayed(bundle: Bundle, library: Library) -> None:
    library.capturable = True
    runner = TensorRTBackend(bundle, engine_of(bundle, "tensorrt"))
    for seed in range(4):
        runner.run(feed(16, seed))
    assert library.stream.log == ["capture thread_local", "captured", "launch", "launch", "launch"]  # type: ignore[attr-defined]
    runner.close()
    assert library.stream.log[-2:] == ["graph closed", "stream closed"]  # type: ignore[attr-defined]


def test_old_shapes_are_freed(bundle: Bundle, library: Library) -> None:
    runner = TensorRTBackend(bundle, engine_of(bundle, "tensorrt"))
    sides = list(range(8, 8 + SHAPES_KEPT + 2))
    first = None
    for side in sides:
        runner.run(feed(side))
        first = first or runner._shaped[1, 8, 8, 3]
    assert len(runner._shaped) == SHAPES_KEPT
    assert all(binding.device.closed and binding.pinned.closed for binding in first.bindings.values())


def test_the_runtime_cache_lies_beside_the_engine(bundle: Bundle, library: Library) -> None:
    TensorRTBackend(bundle, engine_of(bundle, "tensorrt-rtx")).close()
    assert (bundle.path / "engines" / "x.engine.cache").read_bytes() == b"compiled"
    TensorRTBackend(bundle, engine_of(bundle, "tensorrt-rtx")).close()
    assert library.read == [b"compiled"]


def test_failures_are_errors_with_the_engine_named(bundle: Bundle, library: Library) -> None:
    runner = TensorRTBackend(bundle, engine_of(bundle, "tensorrt"))
    with pytest.raises(BackendError, match=r"does not take image of shape \(1, 65, 65, 3\)"):
        runner.run(feed(65))
    library.fails = True
    with pytest.raises(BackendError, match=r"failed to run on images of shape \(1, 16, 16, 3\)"):
        runner.run(feed(16))
    library.loads = False
    with pytest.raises(BackendError, match=r"cannot load engines/x\.engine, built by version 1\.0 for sm89"):
        TensorRTBackend(bundle, engine_of(bundle, "tensorrt"))


def test_the_libraries_have_what_is_used() -> None:
    core = pytest.importorskip("cuda.core")
    rtx = pytest.importorskip("tensorrt_rtx")
    used: dict[Any, str] = {
        core.Device: "compute_capability set_current create_stream allocate",
        core.Stream: "create_graph_builder sync close handle",
        core.Buffer: "copy_from copy_to close handle",
        core.LegacyPinnedMemoryResource: "allocate",
        core.graph.GraphBuilder: "begin_building end_building complete close stream",
        core.graph.Graph: "launch close",
        rtx.Runtime: "deserialize_cuda_engine",
        rtx.ICudaEngine: "create_runtime_config create_execution_context",
        rtx.IRuntimeConfig: "create_runtime_cache set_runtime_cache",
        rtx.IRuntimeCache: "serialize deserialize",
        rtx.IExecutionContext: "set_input_shape set_tensor_address execute_async_v3 is_stream_capturable",
    }
    missing = [
        f"{cls.__name__}.{name}" for cls, names in used.items() for name in names.split() if not hasattr(cls, name)
    ]
    assert missing == []


def test_without_a_driver_the_error_says_so(bundle: Bundle, tmp_path: Path) -> None:
    from inpaintrt.runtime.backends.gpu import local_target

    try:
        found = local_target()
    except BackendError as error:
        assert "no usable NVIDIA GPU" in str(error) or "cuda-core is not installed" in str(error)
    else:
        pytest.skip(f"this machine has a GPU, {found}")

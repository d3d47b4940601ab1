"""On a machine with an NVIDIA GPU: engines are built for it, run, and judged by the gate. Skipped elsewhere."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inpaintrt.engines import build_engines
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.backends import choice, engine
from inpaintrt.runtime.backends.gpu import current, device_count, local_target, open_device
from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend
from inpaintrt.runtime.errors import BackendError, EngineBuildError, ImageError
from inpaintrt.runtime.frame_filling import FrameFiller
from inpaintrt.validation import validate
from tests.conftest import random_image

from .runtime import c_interface, cpp_build
from .runtime.backends.stand_in_gpu import Machine
from .runtime.backends.stand_in_library import Context, Library
from .runtime.conftest import engine_bundle

__all__ = ["engine_bundle"]


@pytest.fixture
def target() -> str:
    try:
        return local_target()
    except BackendError as error:
        pytest.skip(f"needs a GPU: {error}")


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_engine_for_the_local_gpu(bundle: Bundle, target: str, backend: str) -> None:
    try:
        engine = build_engines(bundle.path, backend=backend, target="local")[0].artifact
    except EngineBuildError as error:
        pytest.skip(f"needs {backend} for {target}: {error}")
    report = validate(bundle.path)
    judged = next(candidate for candidate in report.candidates if candidate.artifact == engine.path)
    assert judged.result == "pass", judged.reason
    image, hole = random_image(50, 61)
    with Inpainter(bundle.path, device="cuda") as inpaint:
        assert inpaint.backend.name == f"{backend} fp16"
        results = [inpaint(image, hole) for _ in range(4)]  # plain, captured, replayed, replayed
    assert all((result == results[0]).all() for result in results)
    with Inpainter(bundle.path, device="cpu") as inpaint:
        assert np.abs(inpaint(image, hole).astype(int) - results[0]).max() <= 3


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_the_cpp_runtime_gives_the_same_bytes(bundle: Bundle, target: str, backend: str, tmp_path: Path) -> None:
    root = backend.upper().replace("-", "_") + "_ROOT"
    if root not in os.environ:
        pytest.skip(f"needs the library's headers in the folder {root}, see docs/embed-cpp.md")
    try:
        build_engines(bundle.path, backend=backend, target="local")
        cpp_build.build(tmp_path)
    except (EngineBuildError, cpp_build.CannotBuildError) as error:
        pytest.skip(f"needs {backend} for {target}: {error}")
    library = c_interface.Library(tmp_path / "libinpaintrt.so")
    with Inpainter(bundle.path, device="cuda") as python, library.open(bundle.path, "cuda") as cpp:
        assert cpp.backend.startswith(python.backend.name)
        for seed in range(5):  # warm-up, capture, launches
            image, hole = random_image(50, 61, seed)
            assert (python(image, hole) == cpp(image, hole)).all()
            assert (python(image, hole) == cpp.on_gpu(image, hole)).all()


class CopyingContext(Context):
    """Its network copies the image to the composite, on the real driver."""

    def execute_async_v3(self, stream_handle: int) -> bool:
        from cuda.bindings import driver

        self.machine.called("Context.execute_async_v3")
        size = int(np.prod(self.shapes["image"]))
        status, *_ = driver.cuMemcpyDtoDAsync(self.addresses["composite"], self.addresses["image"], size, stream_handle)
        return int(status) == 0


class CopyingLibrary(Library):
    """A library without a network of its own, for a GPU where TensorRT is not installed."""

    capturable = True

    def _context(self, strategy_or_config: Any) -> Context:
        return CopyingContext(self)


@pytest.fixture
def copying(target: str, monkeypatch: pytest.MonkeyPatch) -> CopyingLibrary:
    """The GPU backend on the real driver, with `CopyingLibrary` in place of TensorRT."""
    library = CopyingLibrary(Machine())
    library.capturable = True
    monkeypatch.setattr(engine, "load_library", lambda _: library)
    monkeypatch.setattr(choice, "load_library", lambda _: library)
    return library


def engine_for(engine_bundle: Bundle, device_id: int = 0) -> TensorRTBackend:
    return TensorRTBackend(engine_bundle, engine_bundle.artifacts[0], device_id)


def image_of(side: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    mask = np.ones((2, side, side), np.uint8)
    if side > 64:  # larger than the network takes: two holes, each filled in a window of its own
        mask[:] = 0
        mask[:, 5:9, 5:9] = mask[:, -9:-5, -9:-5] = 1
    return {"image": image, "mask": mask}


def test_copies_capture_replay_and_eviction_on_the_real_driver(engine_bundle: Bundle, copying: CopyingLibrary) -> None:
    device = open_device()
    with current(device):
        reserved = device.memory_resource.attributes.reserved_mem_current
    backend = engine_for(engine_bundle)
    for seed in range(5):
        for side in (8, 16, 24, 32, 40, 48):  # more than are kept
            given = image_of(side, seed)
            for _ in range(3):  # plain, captured, replayed
                assert (backend.run(given) == given["image"]).all()
    assert backend.memory.activations == 2 * 48 * 48 * 3
    backend.close()
    assert backend.device.memory_resource.attributes.reserved_mem_current <= reserved  # other libraries can have it


@pytest.mark.parametrize("way", ["refused", "invalidated"])
def test_a_capture_that_fails_on_the_real_driver(
    engine_bundle: Bundle, copying: CopyingLibrary, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A synchronisation invalidates a capture; `cuda-core` up to 1.2 ends the process then."""
    backend, given = engine_for(engine_bundle), image_of(16, 0)
    backend.run(given)
    execute = CopyingContext.execute_async_v3

    def spoilt(self: CopyingContext, stream_handle: int) -> bool:
        from cuda.bindings import driver

        status, state = driver.cuStreamIsCapturing(stream_handle)
        if int(status) == 0 and int(state) != 0:
            if way == "refused":
                return False
            driver.cuStreamSynchronize(stream_handle)
        return execute(self, stream_handle)

    monkeypatch.setattr(CopyingContext, "execute_async_v3", spoilt)
    for seed in range(4):
        given = image_of(16, seed)
        assert (backend.run(given) == given["image"]).all()
    backend.close()


def test_threads_close_and_every_gpu_on_the_real_driver(engine_bundle: Bundle, copying: CopyingLibrary) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for device_id in range(device_count()):
        backend = engine_for(engine_bundle, device_id)
        inputs = [image_of(16 + 8 * (seed % 3), seed) for seed in range(30)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(backend.run, inputs))
            pool.submit(backend.close).result()  # from another thread
        assert all((result == given["image"]).all() for result, given in zip(found, inputs, strict=True))


def frames_of(library: str) -> tuple[Any, Callable[[np.ndarray], Any], list[Callable[[Any], np.ndarray]]]:
    """A stream of a library, how it brings an array to the GPU, and how it reads what is there."""
    module = pytest.importorskip(library)
    if library == "cupy":
        readers = [module.from_dlpack, module.asarray]  # by either protocol
        return (
            module.cuda.Stream(non_blocking=True),
            module.asarray,
            [lambda r, f=f: module.asnumpy(f(r)) for f in readers],
        )
    if not module.cuda.is_available():
        pytest.skip("needs a torch with CUDA")
    return (
        module.cuda.Stream(), lambda array: module.from_numpy(array).cuda(),
        [lambda result: module.from_dlpack(result).cpu().numpy()],
    )  # fmt: skip


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_frames_of_other_libraries_on_the_real_driver(
    engine_bundle: Bundle, copying: CopyingLibrary, library: str
) -> None:
    own, make, readers = frames_of(library)
    current_stream = own if library == "cupy" else pytest.importorskip("torch").cuda.stream(own)
    backend = engine_for(engine_bundle)
    filler = FrameFiller(backend, engine_bundle.interface)
    for side in (16, 24, 100):  # the last one in windows
        for hole in (np.uint8, np.bool_):
            given = image_of(side, side)
            with current_stream:  # what the library does next, it does on this stream, and does not wait for it
                arrays = {"image": make(given["image"]), "mask": make(given["mask"].astype(hole))}
                results = [filler.fill(arrays, None, own), filler.fill(arrays, None, None)]
                out = make(np.zeros_like(given["image"]))
                assert filler.fill(arrays, out, getattr(own, "ptr", own)) is out
                for result, read in itertools.product(results, readers):
                    assert (read(result) == given["image"]).all()
                assert (np.asarray(out.get() if library == "cupy" else out.cpu()) == given["image"]).all()
    with pytest.raises(ImageError, match="mask is not on a GPU"):
        filler.fill({"image": make(given["image"]), "mask": given["mask"]}, None, None)
    backend.close()
    assert (readers[0](results[0]) == given["image"]).all()  # a result outlives the backend

"""The TensorRT backend without a GPU, on stand-ins for driver, `cuda-core` and libraries.

What runs on a GPU is proven by `test_gpu.py` only; here are the order of work on its streams, its memory, its graphs,
every failure of every call, and that every attribute it uses exists in the installed libraries.
"""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.backends import choice, gpu
from inpaintrt.runtime.backends.memory import Memory
from inpaintrt.runtime.backends.slots import SHAPES_KEPT
from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError

from ..conftest import artifact
from .stand_ins import Library, Machine

BEST = 16 * 16 * 3


def open_backend(engine_bundle: Bundle, backend: str = "tensorrt") -> TensorRTBackend:
    return TensorRTBackend(engine_bundle, artifact(backend))


def pair(side: int, seed: int = 0, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return image, rng.integers(0, 2, (count, side, side), dtype=np.uint8)


def feed(side: int, seed: int = 0) -> dict[str, np.ndarray]:
    return dict(zip(("image", "mask"), pair(side, seed), strict=True))


def filled(inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.where(inputs["mask"][..., None] != 0, 255 - inputs["image"], inputs["image"])


def check(backend: TensorRTBackend, side: int, seed: int) -> None:
    inputs = feed(side, seed)
    assert (backend.run(inputs) == filled(inputs)).all()


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
@pytest.mark.parametrize("capturable", [True, False])
def test_every_call_fills_its_own_image(
    engine_bundle: Bundle, library: Library, machine: Machine, backend: str, capturable: bool
) -> None:
    library.capturable = capturable
    runner = open_backend(engine_bundle, backend)
    for seed in range(4):
        for side in (16, 32, 8):
            check(runner, side, seed)
    runner.close()
    runner.close()
    assert machine.left_open() == []
    assert machine.context == "the caller's"
    with pytest.raises(BackendError, match="this Inpainter was closed"):
        runner.run(feed(16))


def test_a_graph_is_captured_at_the_second_call_and_replayed(
    engine_bundle: Bundle, library: Library, machine: Machine
) -> None:
    library.capturable = True
    runner = open_backend(engine_bundle)
    for seed in range(4):
        check(runner, 16, seed)
    assert machine.calls.count("GraphBuilder.begin_building") == 1
    assert machine.calls.count("Graph.launch") == 3
    assert machine.calls.count("Context.execute_async_v3") == 2  # the plain run, and the captured one


@pytest.mark.parametrize(
    "step", ["begin_building", "end_building", "complete", "close"]
)  # `end_building` raises where another thread synchronised the device
def test_a_failed_capture_costs_speed_and_is_said_once(
    engine_bundle: Bundle, library: Library, machine: Machine, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    library.capturable = True
    runner = open_backend(engine_bundle)
    check(runner, 16, 0)
    machine.fail = f"GraphBuilder.{step}"
    with caplog.at_level(logging.WARNING, "inpaintrt"):
        for seed in range(5):
            check(runner, 16, seed)
    captures = machine.calls.count("GraphBuilder.begin_building")
    assert captures == 1
    if step != "close":
        assert [r.getMessage().split(":")[:2] for r in caplog.records] == [
            ["tensorrt fp16", " no CUDA graph for (1, 16, 16, 3)"]
        ]
        assert "Graph.launch" not in machine.calls
    check(runner, 32, 0)
    runner.close()
    assert machine.left_open() == []


def test_tensorrt_rtx_uses_its_own_graphs_and_compiles_at_once(
    engine_bundle: Bundle, library: Library, machine: Machine
) -> None:
    library.capturable = True
    runner = open_backend(engine_bundle, "tensorrt-rtx")
    for seed in range(4):
        check(runner, 16, seed)
    assert library.config.cuda_graph_strategy == "whole graph"
    assert library.config.dynamic_shapes_kernel_specialization_strategy == "eager"
    assert "GraphBuilder.begin_building" not in machine.calls
    runner.close()


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_all_shapes_share_one_pool_of_the_largest(
    engine_bundle: Bundle, library: Library, machine: Machine, backend: str
) -> None:
    library.capturable = True
    runner = open_backend(engine_bundle, backend)
    assert library.strategies[0] == "user managed"
    assert runner.memory == Memory(BEST, BEST * 7 // 3, BEST * 7 // 3)
    for side in (16, 32, 64, 16):  # the pool moves, and what was captured with the old one goes
        for seed in range(3):
            check(runner, side, seed)
    assert runner.memory.activations == 64 * 64 * 3
    assert len([each for each in machine.opened if each.kind == "Buffer" and not each.closed]) == 3 * 3 + 1
    runner.close()


def test_old_shapes_are_freed(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    runner = open_backend(engine_bundle)
    for side in range(16, 16 + SHAPES_KEPT + 2):
        check(runner, side, 0)
    assert len([each for each in machine.opened if each.kind == "PinnedBuffer" and not each.closed]) == 3 * SHAPES_KEPT
    check(runner, 16, 1)
    runner.close()
    assert machine.left_open() == []


def test_an_image_is_written_once_into_pinned_memory_and_read_once(
    engine_bundle: Bundle, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask = pair(16, count=4)
    mask[:, 0, 0] = 1
    made: list[str] = []

    def noted(name: str, array: np.ndarray) -> np.ndarray:
        if array.nbytes >= image.nbytes:
            made.append(name)
        return array

    for name in ("zeros", "ones", "full", "array", "ascontiguousarray", "copy"):
        function = getattr(np, name)
        monkeypatch.setattr(np, name, lambda *a, name=name, f=function, **k: noted(name, f(*a, **k)))
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        made.clear()
        result = inpaint(image, mask)
    assert (result == filled({"image": image, "mask": mask})).all()
    assert made == ["array"]  # the result; the inputs went into pinned memory as they were


@pytest.mark.parametrize("sides", [(9, 20), (20, 9), (16, 24), (9, 9)])
def test_padding_counts_as_hole_whatever_was_there_before(
    engine_bundle: Bundle, library: Library, sides: tuple[int, int]
) -> None:
    backend = open_backend(engine_bundle)
    seen: list[np.ndarray] = []
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        for seed in range(2):
            image, mask = (array[0, : sides[0], : sides[1]] for array in pair(24, seed))
            assert (inpaint(image, mask) == filled({"image": image, "mask": mask})).all()
            slot = next(iter(inpaint._backend._slots._of.values()))[-1]  # type: ignore[attr-defined]
            seen += [slot.bindings["mask"].array]
            check(backend, 24, seed)
    for size in (sides, (24, 24), sides):
        image, mask = (array[:, : size[0], : size[1]] for array in pair(24))
        backend.run({"image": image, "mask": mask}, (1, 24, 24))
        binding = backend._slots._of[1, 24, 24, 3][0].bindings
        assert binding["mask"].array[0, size[0] :].all()
        assert binding["mask"].array[0, :, size[1] :].all()
        assert not binding["image"].array[0, size[0] :].any()


def test_threads_and_streams_get_their_own_images(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    library.capturable = True
    pairs = [[array[0] for array in pair(16 + 8 * (seed % 2), seed)] for seed in range(24)]
    expected = [np.where(mask[..., None] != 0, 255 - image, image) for image, mask in pairs]
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda pair: inpaint(*pair), pairs))
        streamed = list(inpaint.map(pairs, ahead=3))
    for result in (found, streamed):
        assert all((a == b).all() for a, b in zip(expected, result, strict=True))
    assert machine.left_open() == []


def test_the_second_image_is_copied_before_the_first_is_done(engine_bundle: Bundle, library: Library) -> None:
    runner = open_backend(engine_bundle)
    first = feed(16, 1)
    with runner.lease({name: value.shape for name, value in first.items()}) as slot:
        for name, value in first.items():
            slot.bindings[name].write(value)
        runner.enqueue(slot, runner._copy_inputs, runner._copy_outputs)
        check(runner, 16, 2)  # another set of buffers, while the first one is still at work
        slot.done.sync()
        assert (slot.bindings["composite"].read(()) == filled(first)).all()
    runner.close()


def test_closing_waits_for_the_calls_that_run(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    runner = open_backend(engine_bundle)
    with runner.lease({"image": (1, 16, 16, 3), "mask": (1, 16, 16)}):
        closing = threading.Thread(target=runner.close)
        closing.start()
        closing.join(0.05)
        assert closing.is_alive()
        assert "Buffer.close" not in machine.calls
    closing.join(5)
    assert machine.left_open() == []


def test_the_runtime_cache_lies_beside_the_engine(engine_bundle: Bundle, library: Library) -> None:
    open_backend(engine_bundle, "tensorrt-rtx").close()
    assert (engine_bundle.path / "engines" / "tensorrt-rtx.engine.cache").read_bytes() == b"compiled"
    open_backend(engine_bundle, "tensorrt-rtx").close()
    assert library.read == [b"compiled"]


def test_failures_are_errors_with_the_engine_named(engine_bundle: Bundle, library: Library) -> None:
    runner = open_backend(engine_bundle)
    with pytest.raises(BackendError, match=r"does not take image of shape \(1, 65, 65, 3\)"):
        runner.run(feed(65))
    library.fails = True
    with pytest.raises(BackendError, match=r"failed to run on images of shape \(1, 16, 16, 3\)"):
        runner.run(feed(16))
    library.fails = False
    check(runner, 16, 0)
    library.loads = False
    with pytest.raises(BackendError, match=r"cannot load engines/tensorrt\.engine, built by version 1\.0 for sm89"):
        open_backend(engine_bundle)


def test_too_little_memory_shows_at_opening_and_the_next_backend_is_tried(
    engine_bundle: Bundle, library: Library, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.makes_contexts = False
    with pytest.raises(BackendError, match=r"tensorrt: .*too little GPU memory.*tensorrt-rtx: .*too little GPU"):
        Inpainter(engine_bundle.path, "cuda")
    assert machine.left_open() == []
    library.makes_contexts = True
    context = library._context
    monkeypatch.setattr(library, "_context", lambda given: None if given == "user managed" else context(given))
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        assert inpaint.backend.name == "tensorrt-rtx fp16"
    machine.free_memory = 100
    with pytest.raises(BackendError, match="OUT_OF_MEMORY"):
        Inpainter(engine_bundle.path, "cuda")
    assert machine.left_open() == []


def test_the_gpu_can_be_chosen(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    machine.devices = 2
    with Inpainter(engine_bundle.path, "cuda:1") as inpaint:
        assert inpaint._backend.device_id == 1  # type: ignore[attr-defined]
        image, mask = pair(16)
        assert (inpaint(image, mask) == filled({"image": image, "mask": mask})).all()
    with pytest.raises(BackendError, match="there is no GPU cuda:2; this machine has 2, counted from cuda:0"):
        Inpainter(engine_bundle.path, "cuda:2")
    machine.driver_version = 12080
    with pytest.raises(BackendError, match=r"the NVIDIA driver is for CUDA 12\.8; .* need driver R580 or later"):
        Inpainter(engine_bundle.path, "cuda")
    machine.driver_version = 13000
    assert machine.context == "the caller's"
    assert machine.left_open() == []


def test_all_gpus_share_a_stream_of_images(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    machine.devices = 3
    pairs = [[array[0] for array in pair(16, seed)] for seed in range(12)]
    with Inpainter(engine_bundle.path, "cuda:all") as inpaint:
        assert inpaint.backend.name == "3 x tensorrt fp16"
        assert inpaint.memory == Memory(3 * BEST, 7 * BEST, 7 * BEST)
        for (image, mask), result in zip(pairs, inpaint.map(pairs, ahead=6), strict=True):
            assert (result == np.where(mask[..., None] != 0, 255 - image, image)).all()
    assert machine.left_open() == []


def test_an_engine_for_another_gpu_of_that_capability_does_not_fit(engine_bundle: Bundle, library: Library) -> None:
    from dataclasses import replace

    other = replace(artifact("tensorrt"), details={"gpu": "NVIDIA L4"})
    with pytest.raises(BackendError, match=r"are for sm89 \(NVIDIA L4\) by .*; this machine has sm89 \(Stand-in 0\)"):
        choice.fitting_engines([other], "tensorrt")
    mine = replace(other, details={"gpu": "Stand-in 0"})
    assert choice.fitting_engines([other, mine], "tensorrt") == [mine]


def session(
    engine_bundle: Bundle, machine: Machine, backend: str, attempt: Callable[[Callable[[], Any]], None]
) -> None:
    """Opening, plain runs, a capture, replays, a larger shape, eviction and closing; each step through `attempt`."""
    runners: list[TensorRTBackend] = []
    attempt(lambda: runners.append(open_backend(engine_bundle, backend)))
    if not runners:
        return
    for seed, side in enumerate((16, 16, 16, 32, 32, 16, 8, 24, 40, 16)):
        attempt(lambda seed=seed, side=side: check(runners[0], side, seed))  # type: ignore[misc]
    attempt(runners[0].close)
    assert machine.left_open() == []
    assert machine.context == "the caller's" or machine.calls[-1] == "cuCtxSetCurrent"


def calls_of_a_session(backend: str) -> Iterator[tuple[str, str, int]]:
    """Every call of every kind that `session` makes: known from the names, checked by the test below."""
    once = ["cuCtxGetCurrent", "cuCtxSetCurrent", "Device.set_current", "Device.create_stream", "Device.create_event",
            "Device.allocate", "LegacyPinnedMemoryResource.allocate", "Runtime", "Runtime.deserialize_cuda_engine",
            "Engine.create_execution_context", "Context.set_input_shape", "Context.set_device_memory",
            "Context.update_device_memory_size_for_shapes", "Context.execute_async_v3", "Buffer.copy_from",
            "Buffer.copy_to", "Buffer.close", "PinnedBuffer.close", "Event.sync", "Event.close", "Stream.sync",
            "Stream.record", "Stream.wait", "Stream.close"]  # fmt: skip
    rtx = ["Engine.create_runtime_config", "RuntimeCache.serialize"]
    ours = ["Context.is_stream_capturable", "Stream.create_graph_builder", "GraphBuilder.begin_building",
            "GraphBuilder.end_building", "GraphBuilder.complete", "GraphBuilder.close", "Graph.launch",
            "Graph.close"]  # fmt: skip
    for name, at in itertools.product(once + (rtx if backend == "tensorrt-rtx" else ours), (0, 1, 5, 17)):
        yield backend, name, at


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_every_call_that_is_made_is_one_that_fails_below(
    engine_bundle: Bundle, library: Library, machine: Machine, backend: str
) -> None:
    library.capturable = True
    session(engine_bundle, machine, backend, lambda step: step())
    assert set(machine.calls) - {name for _, name, _ in calls_of_a_session(backend)} == {"cuDriverGetVersion"}


@pytest.mark.parametrize(
    ("backend", "name", "at"), [*calls_of_a_session("tensorrt"), *calls_of_a_session("tensorrt-rtx")]
)
def test_a_call_that_fails_once_costs_at_most_one_image_and_leaks_nothing(
    engine_bundle: Bundle, library: Library, machine: Machine, backend: str, name: str, at: int
) -> None:
    library.capturable = True
    failures = []

    def attempt(step: Callable[[], Any]) -> None:
        try:
            step()
        except BackendError as error:
            failures.append(error)
            assert "second line" not in str(error)

    machine.fail, machine.fail_at = name, at
    session(engine_bundle, machine, backend, attempt)
    assert len(failures) <= 1
    machine.fail = None
    with TensorRTBackendSession(engine_bundle, backend) as runner:  # and the next one opens and works
        check(runner, 16, 0)


class TensorRTBackendSession:
    """A backend that is closed at the end of a block."""

    def __init__(self, engine_bundle: Bundle, backend: str):
        self.backend = open_backend(engine_bundle, backend)

    def __enter__(self) -> TensorRTBackend:
        return self.backend

    def __exit__(self, *_: object) -> None:
        self.backend.close()


def test_the_libraries_have_what_is_used() -> None:
    core = pytest.importorskip("cuda.core")
    driver = pytest.importorskip("cuda.bindings.driver")
    rtx = pytest.importorskip("tensorrt_rtx")
    used: dict[Any, str] = {
        core.Device: "compute_capability set_current create_stream create_event allocate get_all_devices name",
        core.Stream: "create_graph_builder sync close handle record wait",
        core.Event: "sync close",
        core.Buffer: "copy_from copy_to close handle",
        core.LegacyPinnedMemoryResource: "allocate",
        core.graph.GraphBuilder: "begin_building end_building complete close stream",
        core.graph.Graph: "launch close",
        driver: "cuDriverGetVersion cuCtxGetCurrent cuCtxSetCurrent",
        rtx: "CudaGraphStrategy DynamicShapesKernelSpecializationStrategy",
        rtx.CudaGraphStrategy: "WHOLE_GRAPH_CAPTURE",
        rtx.DynamicShapesKernelSpecializationStrategy: "EAGER",
        rtx.ExecutionContextAllocationStrategy: "USER_MANAGED",
        rtx.Runtime: "deserialize_cuda_engine",
        rtx.ICudaEngine: "create_runtime_config create_execution_context",
        rtx.IRuntimeConfig: "create_runtime_cache set_runtime_cache set_execution_context_allocation_strategy "
        "cuda_graph_strategy dynamic_shapes_kernel_specialization_strategy",
        rtx.IRuntimeCache: "serialize deserialize",
        rtx.IExecutionContext: "set_input_shape set_tensor_address get_tensor_shape execute_async_v3 "
        "is_stream_capturable set_device_memory update_device_memory_size_for_shapes",
    }
    missing = [
        f"{cls.__name__}.{name}" for cls, names in used.items() for name in names.split() if not hasattr(cls, name)
    ]
    assert missing == []


def test_without_a_driver_the_error_says_so() -> None:
    try:
        found = gpu.local_target()
    except BackendError as error:
        assert "no usable NVIDIA GPU" in str(error) or "cuda-core is not installed" in str(error)
    else:
        pytest.skip(f"this machine has a GPU, {found}")

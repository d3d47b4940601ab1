"""The TensorRT backend without a GPU, on stand-ins for driver, `cuda-core` and libraries.

What runs on a GPU is proven by `test_gpu.py` only; here are the order of work on its
streams, its memory and its graphs.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.backends import choice, gpu
from inpaintrt.runtime.backends.memory import Memory
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError

from ..conftest import artifact
from .calls import check, feed, filled, open_backend, pair
from .stand_in_gpu import Machine
from .stand_in_library import Library

BEST = 16 * 16 * 3


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
    assert machine.calls.count("cuStreamBeginCapture") == 1
    assert machine.calls.count("cuGraphLaunch") == 3
    assert machine.calls.count("Context.execute_async_v3") == 2  # the plain run, and the captured one


@pytest.mark.parametrize("capturable", [True, False])
def test_parts_are_timed_of_the_graph_that_is_replayed(
    engine_bundle: Bundle, library: Library, machine: Machine, capturable: bool
) -> None:
    library.capturable = capturable
    runner = open_backend(engine_bundle)
    parts = runner.time_parts(feed(16), 3)
    assert parts == {"host to device": [0.002] * 3, "compute": [0.001] * 3, "device to host": [0.001] * 3}
    timed = machine.calls[-machine.calls[::-1].index("cuStreamEndCapture") :] if capturable else machine.calls
    assert timed.count("cuGraphLaunch") == (4 if capturable else 0)
    assert timed.count("Context.execute_async_v3") == (0 if capturable else 6)  # one for the capture that failed
    check(runner, 16, 0)
    runner.close()
    assert machine.left_open() == []


@pytest.mark.parametrize("step", ["cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "invalidated"])
def test_a_failed_capture_costs_speed_and_is_said_once(
    engine_bundle: Bundle, library: Library, machine: Machine, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    library.capturable = True
    machine.captures_invalidated = step == "invalidated"  # as another thread does that synchronises the device
    runner = open_backend(engine_bundle)
    check(runner, 16, 0)
    machine.fail = step
    with caplog.at_level(logging.WARNING, "inpaintrt"):
        for seed in range(5):
            check(runner, 16, seed)
    assert machine.calls.count("cuStreamBeginCapture") == 1
    assert [r.getMessage().split(":")[:2] for r in caplog.records] == [
        ["tensorrt fp16", " no CUDA graph for (1, 16, 16, 3)"]
    ]
    assert "second line" not in caplog.text
    assert "cuGraphLaunch" not in machine.calls
    assert machine.graphs == {}
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
    assert "cuStreamBeginCapture" not in machine.calls
    runner.close()


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_copies_and_network_are_timed_apart(
    engine_bundle: Bundle, library: Library, machine: Machine, backend: str
) -> None:
    library.capturable = True
    runner = open_backend(engine_bundle, backend)
    check(runner, 16, 0)
    assert {name: len(seconds) for name, seconds in runner.time_parts(feed(16), 3).items()} == dict.fromkeys(
        ("host to device", "compute", "device to host"), 3
    )
    machine.fail = "Stream.record"
    with pytest.raises(BackendError, match=r"timing failed: Stream.record: injected$"):
        runner.time_parts(feed(16), 3)
    check(runner, 16, 1)
    runner.close()
    assert machine.left_open() == []


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
    library.serializes = False
    open_backend(engine_bundle, "tensorrt-rtx").close()
    assert (engine_bundle.path / "engines" / "tensorrt-rtx.engine.cache").read_bytes() == b"compiled"


def test_failures_are_errors_with_the_engine_named(engine_bundle: Bundle, library: Library) -> None:
    runner = open_backend(engine_bundle)
    with pytest.raises(BackendError, match=r"does not take image of shape \(1, 65, 65, 3\)"):
        runner.run(feed(65))
    library.fails = True
    with pytest.raises(BackendError, match=r"failed to run on images of shape \(1, 16, 16, 3\)"):
        runner.run(feed(16))
    library.fails = False
    check(runner, 16, 0)
    library.refused = "mask"
    with pytest.raises(BackendError, match="the engine does not take memory for mask; rebuild it"):
        runner.run(feed(24))
    library.refused = ""
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


def test_the_gpu_can_be_chosen(
    engine_bundle: Bundle, library: Library, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    monkeypatch.setattr("cuda.core.__version__", "1.1.1")
    with pytest.raises(BackendError, match=r"cuda-core is 1\.1\.1, but 1\.2 or later is needed; pip install"):
        Inpainter(engine_bundle.path, "cuda")
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


def test_without_a_driver_the_error_says_so() -> None:
    try:
        found = gpu.local_target()
    except BackendError as error:
        assert "no usable NVIDIA GPU" in str(error) or "cuda-core is not installed" in str(error)
    else:
        pytest.skip(f"this machine has a GPU, {found}")

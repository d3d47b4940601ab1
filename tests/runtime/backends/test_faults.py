"""Every call of the driver and of the libraries fails once: it costs at most one image, and nothing leaks."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError

from .calls import check, open_backend
from .stand_in_gpu import Machine
from .stand_in_library import Library


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

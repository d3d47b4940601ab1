"""Every call of the driver and of the libraries fails once: it costs at most one image, and nothing leaks."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError

from ..conftest import install
from .calls import check, filled, open_backend, pair
from .stand_in_frames import GpuArray, InterfaceArray, View
from .stand_in_gpu import Machine

Attempt = Callable[[Callable[[], Any]], None]
"""Does a step of a session, which may fail."""

Session = Callable[[Bundle, Machine, Attempt], None]


def calls_of_one_thread(backend: str) -> Session:
    def session(bundle: Bundle, machine: Machine, attempt: Attempt) -> None:
        """Plain runs, a capture, replays, a larger shape, eviction."""
        runners: list[TensorRTBackend] = []
        attempt(lambda: runners.append(open_backend(bundle, backend)))
        if not runners:
            return
        for seed, side in enumerate((16, 16, 16, 32, 32, 16, 8, 24, 40, 16)):
            attempt(lambda seed=seed, side=side: check(runners[0], side, seed))  # type: ignore[misc]
        attempt(runners[0].close)

    return session


def streams_on_two_gpus(bundle: Bundle, machine: Machine, attempt: Attempt) -> None:
    """`map` and `submit` on all GPUs, so that a shape has two sets; eviction of such; closing from another thread."""
    machine.devices = 2
    opened: list[Inpainter] = []
    attempt(lambda: opened.append(Inpainter(bundle.path, "cuda:all")))
    if not opened:
        return
    inpaint = opened[0]
    for side in (16, 8, 24, 32, 40, 16):
        pairs = [[array[0] for array in pair(side, seed)] for seed in range(4)]
        expected = [filled({"image": image, "mask": mask}) for image, mask in pairs]

        def whole_stream(pairs: Any = pairs, expected: Any = expected) -> None:
            found = inpaint.map(pairs, ahead=3)
            assert all((result == good).all() for result, good in zip(found, expected, strict=True))

        attempt(whole_stream)
        attempt(lambda pair=pairs[0]: inpaint.submit(*pair).result())  # type: ignore[misc]
    errors: list[BaseException] = []

    def close() -> None:
        try:
            inpaint.close()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()

    def raise_again() -> None:
        for error in errors:
            raise error

    attempt(raise_again)


def frames_on_the_gpu(bundle: Bundle, machine: Machine, attempt: Attempt) -> None:
    """Frames by both protocols, in batches and in windows, with and without `out`."""
    opened: list[Inpainter] = []
    attempt(lambda: opened.append(Inpainter(bundle.path, "cuda")))
    if not opened:
        return
    inpaint = opened[0]

    def fill(side: int, count: int, kind: Any, into: bool) -> None:
        image, mask = pair(side, side, count)
        good = filled({"image": image, "mask": mask})
        if into:
            out = image.copy()
            inpaint(kind(image), kind(mask), out=kind(out))
            assert (out == good).all()
        else:
            assert (inpaint(kind(image), kind(mask)).__dlpack__(stream=1) == good).all()

    for each in (
        (16, 1, GpuArray, False),
        (16, 6, GpuArray, True),
        (12, 1, InterfaceArray, False),
        (70, 1, GpuArray, True),
    ):
        attempt(lambda each=each: fill(*each))  # type: ignore[misc]
    attempt(inpaint.close)


SESSIONS: dict[str, tuple[Session, int]] = {
    "tensorrt": (calls_of_one_thread("tensorrt"), 1),
    "tensorrt-rtx": (calls_of_one_thread("tensorrt-rtx"), 1),
    "streams": (streams_on_two_gpus, 13),
    "frames": (frames_on_the_gpu, 5),
}
"""With how many calls there are from one that fails to the next; with 1, every kind of call has failed."""


@pytest.mark.parametrize("name", SESSIONS)
def test_a_call_that_fails_once_costs_at_most_one_image_and_leaks_nothing(
    engine_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pytest.importorskip("cuda.core.utils")
    monkeypatch.setattr("cuda.core.utils.StridedMemoryView", View)
    session, step = SESSIONS[name]
    met: set[str] = set()

    def run(fail_at: int) -> tuple[Machine, list[str]]:
        machine, failures = Machine(), list[str]()
        machine.fail_at = fail_at
        install(machine, monkeypatch).capturable = True

        def attempt(work: Callable[[], Any]) -> None:
            try:
                work()
            except BackendError as error:
                assert "second line" not in str(error)
                failures.append(str(error))

        session(engine_bundle, machine, attempt)
        what = f"{machine.failed_name}, call {fail_at}"
        assert machine.left_open() == [], what
        assert machine.context == "the caller's" or machine.calls[-1] == "cuCtxSetCurrent", what
        assert len(failures) <= 1, (what, failures)
        return machine, failures

    machine, failures = run(-1)
    assert failures == []
    assert machine.pooled == 0
    for number in range(0, len(machine.calls), step):
        met.add(run(number)[0].failed_name)
    if step == 1:
        assert met >= set(machine.calls)


def test_after_a_failure_the_next_backend_opens_and_works(
    engine_bundle: Bundle, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(machine, monkeypatch)
    machine.fail = "Engine.create_execution_context"
    with pytest.raises(BackendError, match=r"tensorrt fp16: opening failed: .*injected$"):
        open_backend(engine_bundle)
    runner = open_backend(engine_bundle)
    check(runner, 16, 0)
    runner.close()
    assert machine.left_open() == []

"""Threads and streams of images on a GPU, on stand-ins: whatever ends them, nothing runs on and nothing is left."""

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError

from .calls import filled, pair
from .stand_in_frames import GpuArray, View
from .stand_in_gpu import Machine
from .stand_in_library import Library

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def inpaint(engine_bundle: Bundle, library: Library, machine: Machine) -> Iterator[Inpainter]:
    """On two GPUs; afterwards no thread and no memory is left."""
    library.capturable = True
    machine.devices = 2
    before = set(threading.enumerate())
    made = Inpainter(engine_bundle.path, "cuda:all")
    yield made
    made.close()
    assert set(threading.enumerate()) == before
    if machine.left_open():
        gc.collect()
    assert machine.left_open() == []
    assert machine.pooled == 0


def images(seed: int = 0) -> Iterator[Pair]:
    """Pairs of two sizes, without end."""
    for number in itertools.count(seed):
        image, mask = pair(16 + 8 * (number % 2), number)
        yield image[0], mask[0]


def good(given: Pair) -> np.ndarray:
    return filled({"image": given[0], "mask": given[1]})


def in_threads(*functions: Callable[[], Any]) -> None:
    """Call functions at the same time; the first error of any."""
    errors: list[BaseException] = []

    def call(function: Callable[[], Any]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(each,)) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for error in errors:
        raise error


def test_threads_share_an_inpainter(inpaint: Inpainter) -> None:
    def fill(seed: int) -> None:
        for given in itertools.islice(images(seed), 6):
            assert (inpaint(*given) == good(given)).all()

    def stream(seed: int) -> None:
        pairs = list(itertools.islice(images(seed), 6))
        for given, result in zip(pairs, inpaint.map(pairs, ahead=2), strict=True):
            assert (result == good(given)).all()

    in_threads(lambda: fill(0), lambda: fill(100), lambda: stream(200), lambda: stream(300))


@pytest.mark.parametrize("ends", ["close", "drop", "close the generator"])
def test_a_stream_that_is_left_half_way(inpaint: Inpainter, ends: str) -> None:
    results = inpaint.map(images(), ahead=4)
    expected = images()
    for _ in range(3):
        assert (next(results) == good(next(expected))).all()
    if ends == "close":
        inpaint.close()
        with pytest.raises(BackendError, match="this Inpainter was closed"):
            list(results)
    elif ends == "drop":
        del results
    else:
        results.close()
    if ends != "close":  # the Inpainter works on
        assert (inpaint(*next(expected)) == good(next(images(3)))).all()


def test_closing_from_another_thread_while_streams_run(inpaint: Inpainter) -> None:
    done: list[int] = []

    def stream(seed: int) -> None:
        expected = images(seed)
        with pytest.raises(BackendError, match="this Inpainter was closed"):
            for result in inpaint.map(images(seed), ahead=3):
                assert (result == good(next(expected))).all()
                done.append(seed)

    def submit() -> None:
        with pytest.raises((BackendError, CancelledError)):
            while True:
                inpaint.submit(*next(images())).result(30)

    def close() -> None:
        while len(done) < 4:
            time.sleep(0.001)
        inpaint.close()

    in_threads(lambda: stream(0), lambda: stream(50), submit, close, close)


def test_an_iterator_that_raises(inpaint: Inpainter) -> None:
    def pairs() -> Iterator[Pair]:
        yield from itertools.islice(images(), 3)
        raise OSError("the film is torn")

    results, expected = inpaint.map(pairs(), ahead=5), images()
    for _ in range(3):
        assert (next(results) == good(next(expected))).all()
    with pytest.raises(OSError, match="the film is torn"):
        next(results)


def test_a_slow_consumer_holds_no_more_than_it_asked_for(inpaint: Inpainter, machine: Machine) -> None:
    read: list[int] = []

    def pairs() -> Iterator[Pair]:
        for number, given in enumerate(itertools.islice(images(), 12)):
            read.append(number)
            yield given

    for number, _ in enumerate(inpaint.map(pairs(), ahead=2)):
        time.sleep(0.002)
        assert len(read) == min(number + 3, 12)
    shapes, gpus, sets, tensors = 2, 2, 2, 3
    assert len(machine.open_of("PinnedBuffer")) <= shapes * gpus * sets * tensors


def test_frames_of_one_thread_and_images_of_another(
    inpaint: Inpainter, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    utils = pytest.importorskip("cuda.core.utils")
    monkeypatch.setattr(utils, "StridedMemoryView", View)

    def frames() -> None:
        for number, (image, mask) in enumerate(itertools.islice(images(), 8)):
            result = inpaint(GpuArray(image, number % 2), GpuArray(mask, number % 2))
            assert (result.__dlpack__() == good((image, mask))).all()

    def on_host() -> None:
        for given in itertools.islice(images(70), 8):
            assert (inpaint(*given) == good(given)).all()

    in_threads(frames, on_host, frames)

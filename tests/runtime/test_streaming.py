"""Streams of images: order, overlap, and that nothing is left running however a stream ends."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError, ImageError, UsageError
from inpaintrt.runtime.streaming import Workers, map_in_order
from tests.conftest import random_image


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def double(value: int) -> int:
    return 2 * value


def on(workers: Workers, function: Callable[[int], int]) -> Callable[[int], "Future[int]"]:
    return lambda item: workers.submit(function, item)


@pytest.mark.parametrize("ahead", [0, 1, 2, 7])
def test_results_come_in_order_and_no_more_is_read_than_asked_for(workers: Workers, ahead: int) -> None:
    read: list[int] = []
    numbers = (read.append(number) or number for number in range(6))  # type: ignore[func-returns-value]

    def slow_if_even(value: int) -> int:
        time.sleep(0.005 * (value % 2 == 0))
        return double(value)

    for index, result in enumerate(map_in_order(on(workers, slow_if_even), numbers, ahead)):
        assert result == 2 * index
        assert len(read) == min(index + 1 + ahead, 6)


def test_the_next_item_is_at_work_while_the_caller_has_one(workers: Workers) -> None:
    began = [threading.Event() for _ in range(3)]

    def note(value: int) -> int:
        began[value].set()
        return value

    results = map_in_order(on(workers, note), range(3), 1)
    assert next(results) == 0
    assert began[1].wait(5)  # without another call of next
    assert not began[2].is_set()
    assert list(results) == [1, 2]


def test_an_exception_of_the_iterator_comes_after_the_results_before_it(workers: Workers) -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("the film is torn")

    results = map_in_order(on(workers, double), items(), 5)
    assert [next(results), next(results)] == [2, 4]
    with pytest.raises(OSError, match="the film is torn"):
        next(results)


def test_a_failure_stands_in_its_place_and_ends_the_stream(workers: Workers) -> None:
    results = map_in_order(on(workers, lambda value: 10 // value), itertools.chain([5, 0], itertools.repeat(1)), 3)
    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_closing_half_way_waits_for_what_runs_and_cancels_the_rest(workers: Workers) -> None:
    running, done = [], []

    def work(value: int) -> int:
        running.append(value)
        time.sleep(0.02)
        done.append(value)
        return value

    futures: list[Future[int]] = []

    def submit(item: int) -> "Future[int]":
        futures.append(workers.submit(work, item))
        return futures[-1]

    results = map_in_order(submit, itertools.count(), 8)
    next(results)
    results.close()
    assert all(future.done() for future in futures)
    assert any(future.cancelled() for future in futures)
    assert sorted(running) == sorted(done)
    assert workers.submit(double, 4).result() == 8  # and the workers work on


def test_closed_workers_leave_no_thread_and_say_so() -> None:
    before = set(threading.enumerate())
    workers = Workers(2)
    results = map_in_order(on(workers, lambda value: time.sleep(0.01) or value), itertools.count(), 6)  # type: ignore[func-returns-value]
    next(results)
    workers.close()
    workers.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(BackendError, match="this Inpainter was closed"):
        list(results)
    with pytest.raises(BackendError, match="this Inpainter was closed"):
        workers.submit(double, 1)


def test_map_and_submit_give_the_bytes_of_calls(shared_bundle: Bundle) -> None:
    pairs = [random_image(40 + 8 * seed, 56, seed) for seed in range(3)]
    with Inpainter(shared_bundle.path, device="cpu", threads=1) as inpaint:
        expected = [inpaint(*pair) for pair in pairs]
        futures = [inpaint.submit(*pair) for pair in pairs]
        for found in (list(inpaint.map(pairs)), [future.result() for future in futures]):
            assert all((a == b).all() for a, b in zip(expected, found, strict=True))
        with pytest.raises(UsageError, match="ahead is -1, expected 0 or more"):
            inpaint.map(pairs, ahead=-1)
        with pytest.raises(ImageError, match="expected image, mask and sketch at most, got 4 arrays"):
            next(inpaint.map([(pairs[0][0],) * 4]))
        with pytest.raises(ImageError, match="no mask was given"):
            next(inpaint.map([pairs[0][0]]))
        open_stream = inpaint.map(itertools.cycle(pairs))
        next(open_stream)
    with pytest.raises(BackendError, match="this Inpainter was closed"):
        list(open_stream)
    with pytest.raises(BackendError, match="this Inpainter was closed"):
        inpaint.submit(*pairs[0])


def test_a_stream_overlaps_the_callers_own_work(shared_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    image, hole = random_image(64, 64)
    with Inpainter(shared_bundle.path, device="cpu", threads=1) as inpaint:
        at_work, seen = threading.Event(), []
        run = inpaint._backend.run

        def noted(*arguments: Any) -> np.ndarray:
            at_work.set()
            return run(*arguments)

        monkeypatch.setattr(inpaint._backend, "run", noted)
        for _ in inpaint.map([(image, hole)] * 3, ahead=1):
            seen.append(at_work.wait(5))  # the caller is busy, and the network runs
            at_work.clear()
    assert seen[:2] == [True, True]

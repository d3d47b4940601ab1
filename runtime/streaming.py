"""Streams of images: work that goes on while the caller decodes the next image and encodes the last one."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from .errors import BackendError

Item = TypeVar("Item")
Result = TypeVar("Result")

CLOSED = "this Inpainter was closed"


class Workers:
    """Threads that start with the first call and end with `close`."""

    def __init__(self, count: int):
        """As many threads as `count`, the calls that the backend serves at once."""
        self._count = count
        self._lock = threading.Lock()
        self._closed = False
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> "Future[Result]":
        """Call a function on one of the threads.

        Raises:
            BackendError: after `close`.
        """
        with self._lock:
            if self._closed:
                raise BackendError(CLOSED)
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._count, "inpaintrt")
            return self._pool.submit(function, *arguments, **named)

    def close(self) -> None:
        """Cancel what has not begun and wait for what has. May be called twice, but not from one of the threads."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def map_in_order(
    submit: Callable[[Item], "Future[Result]"], items: Iterable[Item], ahead: int
) -> Generator[Result, None, None]:
    """Results in the order of `items`, `ahead` of which are at work or waiting while the caller has one.

    If `items` raises, the results of those before come first, then the exception. If one fails, or the generator is
    closed, those that have not begun are cancelled and those that have are waited for.

    Raises:
        BackendError: if the workers were closed meanwhile.
    """
    pending: deque[Future[Result]] = deque()
    iterator, failure, more = iter(items), None, True
    try:
        while more or pending:
            while more and len(pending) <= ahead:
                try:
                    item = next(iterator)
                except StopIteration:
                    more = False
                except Exception as error:
                    more, failure = False, error
                else:
                    pending.append(submit(item))
            if pending:
                yield _result(pending.popleft())
        if failure is not None:
            raise failure
    finally:
        _stop(pending)


def _result(future: "Future[Result]") -> Result:
    try:
        return future.result()
    except CancelledError:
        raise BackendError(CLOSED) from None
    except BaseException:
        # A future that another call interrupted, as Ctrl-C does, must not go on behind the caller's back.
        _stop([future])
        raise


def _stop(futures: Iterable["Future[Any]"]) -> None:
    # A cancelled future is done, but `wait` knows so only once a thread has met it, which may never be.
    wait([future for future in list(futures) if not future.cancel()])

"""A CUDA graph: the kernels of one shape, captured once and launched as one.

By the driver's own functions. `cuda-core` up to 1.2 ends the process when a capture that another thread invalidated is
closed: it destroys the graph that the driver has destroyed already.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from .gpu import call_driver, driver


class CudaGraph:
    """What `capture` made; `close` frees it."""

    def __init__(self, executable: Any):
        self._executable = executable

    @classmethod
    def capture(cls, device: Any, enqueue: Callable[[Any], None]) -> "CudaGraph":
        """Capture what a function enqueues on the stream that it is given.

        The stream is one of its own, so that a failure spoils nothing that runs later.

        Args:
            device: of `cuda-core`, the current one.
            enqueue: enqueues the work; it must have run once before, since it may not allocate now.

        Raises:
            BackendError: if the driver refuses, or a call of another thread invalidated the capture.
            Exception: of `enqueue`, and of `cuda-core` if it can make no stream.
        """
        stream = device.create_stream()
        try:
            graph = _captured(stream, enqueue)
            try:
                return cls(call_driver("cuGraphInstantiate", graph, 0))
            finally:
                _quietly(call_driver, "cuGraphDestroy", graph)
        finally:
            _quietly(stream.close)

    def launch(self, stream: Any) -> None:
        """Enqueue it on a stream.

        Raises:
            BackendError: if the driver refuses.
        """
        call_driver("cuGraphLaunch", self._executable, stream.handle)

    def close(self) -> None:
        """Free it. Work that was launched comes to its end.

        Raises:
            BackendError: if the driver refuses.
        """
        call_driver("cuGraphExecDestroy", self._executable)


def _captured(stream: Any, enqueue: Callable[[Any], None]) -> Any:
    """The driver's graph of what `enqueue` did; the capture is ended whatever happens."""
    # Other threads may do what they like, except to synchronise this stream.
    mode = driver().CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    call_driver("cuStreamBeginCapture", stream.handle, mode)
    try:
        enqueue(stream)
    except BaseException:
        _quietly(lambda: call_driver("cuGraphDestroy", call_driver("cuStreamEndCapture", stream.handle)))
        raise
    return call_driver("cuStreamEndCapture", stream.handle)


def _quietly(free: Callable[..., Any], *arguments: Any) -> None:
    """Free something whose failure costs its memory only; an error before it is the one to be told."""
    with contextlib.suppress(Exception):
        free(*arguments)

"""SIGTERM and Ctrl-C during a run: the step ends, the state is saved, the exit code is the shell's (128 + number)."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818 (no error)
    """A run ended by a signal; the message says what was saved.

    Args:
        number: of the signal.
        message: for the reader.
    """

    def __init__(self, number: int, message: str):
        super().__init__(f"stopped by {signal.Signals(number).name}: {message}")
        self.exit_code = 128 + number


class StopRequest:
    """Whether a signal has asked the run to stop.

    While `stepping` is False there is nothing to save, and a signal raises `Stopped` where it arrives; then it is only
    remembered, for the end of the step.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.stepping = False

    def receive(self, number: int, _: FrameType | None) -> None:
        """Handle a signal; a second one of its kind ends the process as if nobody listened."""
        signal.signal(number, signal.SIG_DFL)
        self.number = number
        if not self.stepping:
            raise Stopped(number, "no step was taken yet, and no file was changed")


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within, signals go to the request. In other threads than the main one, where none arrive, it stays unset."""
    request = StopRequest()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

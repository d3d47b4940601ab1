"""Signals are remembered while steps are taken, raise before, and go elsewhere after."""

import os
import signal
import threading

import pytest

from inpaintrt.training.signals import Stopped, stop_on_signals


def test_a_signal_waits_for_the_end_of_a_step() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as request:
        request.stepping = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_before_the_first_step_a_signal_ends_the_run() -> None:
    with pytest.raises(Stopped, match="stopped by SIGINT: no step was taken yet") as stopped, stop_on_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.exit_code == 130


def test_other_threads_run_without_signals() -> None:
    found: list[int | None] = []

    def run() -> None:
        with stop_on_signals() as request:
            found.append(request.number)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [None]

"""Timing that is fair on a noisy machine: candidates take turns, and percentiles count."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

PERCENTILES = (50, 90, 99)

WARM_UPS = 3
"""Calls of each candidate before any is timed, where nothing else is said: the third finds caches and graphs ready."""


def time_in_turns(
    candidates: Mapping[str, Callable[[], Any]], rounds: int, warm_ups: int = 1, seconds: float = float("inf")
) -> dict[str, list[float]]:
    """Seconds of each call, all candidates in every round, after some rounds of warm-up.

    Args:
        candidates: by name.
        rounds: that are timed, at most.
        warm_ups: rounds that are not.
        seconds: after this time no further round begins, but two are always timed.
    """
    found: dict[str, list[float]] = {name: [] for name in candidates}
    begin = time.perf_counter()
    for number in range(warm_ups + rounds):
        if number >= warm_ups + 2 and time.perf_counter() - begin > seconds:
            break
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            if number >= warm_ups:
                found[name].append(time.perf_counter() - start)
    return found


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """`p50`, `p90` and `p99` in seconds."""
    return {f"p{share}": float(np.percentile(seconds, share)) for share in PERCENTILES}

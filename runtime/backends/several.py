"""Several GPUs as one backend: each call goes to the one with the fewest calls at work."""

import contextlib
import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from . import Backend
from .memory import Memory


class SeveralGpus:
    """One backend for each GPU. Safe to share by threads; `Inpainter.map` keeps the order of the images."""

    def __init__(self, backends: Sequence[Backend]):
        """Backends on different GPUs, at least one, that this one closes."""
        self.backends = tuple(backends)
        self._at_work = [0] * len(self.backends)
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The backends' names, with how many GPUs have each."""
        names = [backend.name for backend in self.backends]
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))

    @property
    def parallel(self) -> int:
        """As `Backend.parallel`, of all GPUs together."""
        return sum(backend.parallel for backend in self.backends)

    @property
    def memory(self) -> Memory | None:
        """As `Backend.memory`, of all GPUs that say, together."""
        known = [memory for backend in self.backends if (memory := backend.memory) is not None]
        return sum(known[1:], known[0]) if known else None

    def run(
        self, inputs: Mapping[str, NDArray[np.uint8]], size: tuple[int, int, int] | None = None
    ) -> NDArray[np.uint8]:
        """As `Backend.run`."""
        with self._lock:
            chosen = min(range(len(self.backends)), key=lambda index: self._at_work[index])
            self._at_work[chosen] += 1
        try:
            return self.backends[chosen].run(inputs, size)
        finally:
            with self._lock:
                self._at_work[chosen] -= 1

    def close(self) -> None:
        """As `Backend.close`; closes all, whichever fails."""
        with contextlib.ExitStack() as stack:
            for backend in self.backends:
                stack.callback(backend.close)

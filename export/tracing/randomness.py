"""Refuses networks that draw random numbers: what is exported must give the same result for the same input.

A trace turns `torch.randn_like` into RandomNormalLike and dropout in training mode into Dropout, without a word, and
freezes what Python's `random` or NumPy gave into a constant. So the network is watched while it runs, operator by
operator, and run twice.
"""

import random
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inpaintrt.runtime.errors import NetworkError

from .source_lines import is_foreign

SAME = 1e-6
"""Relative L2 difference of two runs that the order of additions could make; equal runs are equal bit for bit."""

UNWRITTEN = ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided")
"""Operators whose result is whatever the memory held, until something is written to it."""

GARBAGE = 12345
"""What such memory holds in the second run; in the first it mostly happens to hold zeros."""

ADVICE = "keep the noise in a buffer (self.register_buffer), call dropout with training=self.training, and export again"

Call = Callable[[], tuple[torch.Tensor, ...]]


class EagerMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A `TorchDispatchMode` for eager execution, for which PyTorch need not import its compiler (two seconds)."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class WatchDraws(EagerMode):
    """While active, notes the first operator that draws random numbers, and the line of the user's code it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: str | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.found is None and torch.Tag.nondeterministic_seeded in func.tags and _draws(func, args, kwargs):
            self.found = f"{str(func).removeprefix('aten.').split('.')[0]}{_line()}"
        return func(*args, **kwargs)

    def refuse(self, consequence: str) -> None:
        """Raise a NetworkError, which says the consequence, if anything was drawn."""
        if self.found is not None:
            raise NetworkError(f"the network draws random numbers: {self.found}: {consequence}; {ADVICE}")


class FillUnwritten(EagerMode):  # type: ignore[no-untyped-call]
    """While active, memory that nothing was written to holds `GARBAGE`."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.namespace == "aten" and func.overloadpacket.__name__ in UNWRITTEN:
            result.fill_(GARBAGE % 256 if result.dtype in (torch.uint8, torch.int8) else GARBAGE)
        return result


def refuse_randomness(call: Call) -> tuple[torch.Tensor, ...]:
    """Run a network twice; its outputs.

    Args:
        call: runs the network, each time on the same input.

    Raises:
        NetworkError: if it draws random numbers, naming the operator and the line, or if two runs differ.
    """
    with WatchDraws() as watch:
        outputs = call()
    watch.refuse("it cannot be exported")
    difference = _run_otherwise(call, outputs)
    if difference > SAME:
        raise NetworkError(
            f"two runs of the network on the same input differ by {difference:.2g} (relative L2): it draws random "
            "numbers outside PyTorch's operators, keeps something from run to run, asks for the time, or reads memory "
            f"that nothing was written to (torch.empty); {ADVICE}"
        )
    return outputs


def _run_otherwise(call: Call, first: tuple[torch.Tensor, ...]) -> float:
    """How much another run differs, with all generators in another state; they are put back afterwards."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            random.seed(1)
            np.random.seed(1)
            with FillUnwritten():  # type: ignore[no-untyped-call]
                second = call()
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
    return run_difference(first, second)


def run_difference(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> float:
    """The largest relative L2 difference of the outputs of two runs; NaN equals NaN, another shape is inf."""
    worst = 0.0
    for one, other in zip(first, second, strict=True):
        if one.shape != other.shape:
            return float("inf")
        a, b = one.double(), other.double()
        if torch.equal(a.nan_to_num(), b.nan_to_num()):
            continue
        difference, norm = float((a - b).norm()), float(a.norm())
        worst = max(worst, difference / norm if norm > 0 and np.isfinite(difference) else float("inf"))
    return worst


def _draws(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Attention and recurrent layers can drop out values, and draw nothing where they are told to drop none."""
    values = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    defaults = {argument.name: argument.default_value for argument in func._schema.arguments}
    share = next((name for name in ("dropout_p", "dropout") if name in defaults), None)
    return share is None or values.get(share, defaults[share]) != 0


def _line() -> str:
    for frame in reversed(traceback.extract_stack()):
        if not is_foreign(frame.filename):
            return f" ({frame.filename}:{frame.lineno}: {frame.line})"
    return ""

"""Strict FP16 on the CPU: an evaluation of an FP16 graph that rounds every intermediate value to FP16.

ONNX Runtime's CPU kernels compute FP16 graphs with FP32 intermediates, which hides overflow: a graph that is NaN on a
GPU looks fine there. Here the FP16 graph becomes an FP32 graph in which a pair of casts rounds the result of every FP16
node (`rounding_graph.py`), and which runs without optimisation, so that no pair is removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.export.graph.ir_tools import describe, is_float
from inpaintrt.runtime.backends.onnx_runtime import open_session

from .probes import add_outputs
from .rounding_graph import LOSSES, SWITCHES, HalfNode, RoundingGraph
from .runners import run_options

UNDERFLOW = 2.0**-9
"""Share of a value's norm that rounding loses where much of it underflows; normal values lose at most 2^-11."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class StrictResult:
    """Outputs by name; the first node whose result holds NaN or Inf, and the first that underflows where it matters.

    A node underflows where it matters if FP16 makes so much of its result zero or subnormal that more is lost than
    rounding can lose of normal values. None if there is no such node, or if nodes can be switched.
    """

    outputs: dict[str, NDArray[Any]]
    first_non_finite: str | None = None
    first_underflow: str | None = None


class StrictFp16:
    """Evaluates an FP16 model strictly.

    Args:
        model: strongly typed FP16 graph.
        probes: names of values that are returned besides the outputs, where the graph has them.
        originals: the FP32 model it was made of, if some of its nodes are to be evaluated in FP32; then it is not
            watched where values overflow or underflow.
        keep: as `open_onnx`.
    """

    def __init__(
        self, model: ir.Model, probes: tuple[str, ...] = (), originals: ir.Model | None = None, keep: int | None = None
    ):
        graph = RoundingGraph(model, originals)
        self._rounded, self._checked, self._nodes = graph.model, graph.checked, graph.nodes
        self._switched = originals is not None
        add_outputs(self._rounded, probes)
        self._names = [str(value.name) for value in self._rounded.graph.outputs]
        self._session, self._keep = _open(self._rounded), keep
        self._non_finite: dict[str, str] = {}

    @property
    def nodes(self) -> Sequence[HalfNode]:
        """The nodes that compute in FP16 and can be kept out of it; empty without `originals`."""
        return self._nodes

    def run(self, inputs: Arrays, kept: Sequence[int] = ()) -> StrictResult:
        """Evaluate once, with the nodes of the numbers `kept` in FP32."""
        found = self._session.run(self._names, self._feed(inputs, kept), run_options(inputs, self._keep))
        outputs = dict(zip(self._names, found, strict=True))
        if self._switched:
            return StrictResult(outputs)
        lost, total = outputs.pop(LOSSES).reshape(-1, 2).T
        bad = np.flatnonzero(~np.isfinite(lost))
        with np.errstate(all="ignore"):
            under = np.flatnonzero(np.isfinite(lost) & (lost > UNDERFLOW**2 * total))
        return StrictResult(
            outputs,
            self._first_non_finite(self._checked[int(bad[0])][1], inputs) if len(bad) else None,
            self._checked[int(under[0])][0] if len(under) else None,
        )

    def evaluate(self, names: Sequence[str], inputs: Arrays, kept: Sequence[int] = ()) -> list[NDArray[Any]]:
        """Inner values by name, those of FP16 nodes before they are rounded; opens a session of its own."""
        if not names:
            return []
        model = self._rounded.clone()
        named = {value.name: value for node in model.graph for value in node.outputs}
        model.graph.outputs[:] = [named[name] for name in dict.fromkeys(names)]
        found = dict(zip(dict.fromkeys(names), _open(model).run(None, self._feed(inputs, kept)), strict=True))
        return [found[name] for name in names]

    def _feed(self, inputs: Arrays, kept: Sequence[int]) -> dict[str, NDArray[Any]]:
        if not self._switched:
            return dict(inputs)
        switches = np.ones(max(len(self._nodes), 1), dtype=np.bool_)
        switches[list(kept)] = False
        return {**inputs, SWITCHES: switches}

    def _first_non_finite(self, name: str, inputs: Arrays) -> str:
        """In words; the search takes many runs, so each value is looked into at its first case only."""
        if name not in self._non_finite:
            self._non_finite[name] = self._describe_non_finite(name, inputs)
        return self._non_finite[name]

    def _describe_non_finite(self, name: str, inputs: Arrays) -> str:
        """Which node went wrong, and how: where an FP32 node was first, its FP16 reader is not to blame."""
        value = next(value for node in self._rounded.graph for value in node.outputs if value.name == name)
        array = self.evaluate([name], inputs)[0]
        while True:
            node = value.producer()
            assert node is not None
            sources = [source for source in node.inputs if source and is_float(source) and source.producer()]
            bad = [
                (source, found)
                for source, found in zip(
                    sources, self.evaluate([str(source.name) for source in sources], inputs), strict=True
                )
                if not np.isfinite(found).all()
            ]
            if not bad:
                break
            value, array = bad[0]
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        what = "turns NaN" if nan >= infinite else "overflows"
        title = next((words for words, rounded in self._checked if rounded == value.name), describe(node))
        return f"{title}, which {what} ({nan} NaN and {infinite} infinite of {array.size} values)"


def _open(model: ir.Model) -> Any:
    return open_session(ir.to_proto(model).SerializeToString(), "cpu", optimise=False)

"""Strict FP16 on the CPU: an evaluation of an FP16 graph that rounds every intermediate value to FP16.

ONNX Runtime's CPU kernels compute FP16 graphs with FP32 intermediates, which hides overflow: a graph that is NaN on a
GPU looks fine there. Here the FP16 graph becomes an FP32 graph in which a pair of casts rounds the result of every FP16
node, and which runs without optimisation, so that no pair is removed. Sums inside one node stay FP32, as in the matrix
units of a GPU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.export.graph.ir_tools import add_constant, constant, describe, infer_types, is_float
from inpaintrt.runtime.backends.onnx_runtime import open_session

LOSSES = "rounding_losses"
"""Name of the output that holds, for each FP16 value, the squares of what rounding lost and of the value itself."""

UNDERFLOW = 2.0**-9
"""Share of a value's norm that rounding loses where much of it underflows; normal values lose at most 2^-11."""


@dataclass(frozen=True)
class StrictResult:
    """Outputs by name; the first node whose result holds NaN or Inf, and the first that underflows where it matters.

    A node underflows where it matters if FP16 makes so much of its result zero or subnormal that more is lost than
    rounding can lose of normal values. None if there is no such node.
    """

    outputs: dict[str, NDArray[Any]]
    first_non_finite: str | None
    first_underflow: str | None


class StrictFp16:
    """Evaluates an FP16 model strictly.

    Args:
        model: strongly typed FP16 graph.
        probes: names of values that are returned besides the outputs, where the graph has them.
    """

    def __init__(self, model: ir.Model, probes: tuple[str, ...] = ()):
        rounded, self._checked = round_every_value(model)
        self._rounded = rounded
        add_outputs(rounded, probes)
        self._names = [str(value.name) for value in rounded.graph.outputs]
        self._session = open_session(ir.to_proto(rounded).SerializeToString(), "cpu", optimise=False)

    def run(self, inputs: dict[str, NDArray[Any]]) -> StrictResult:
        """Evaluate once."""
        outputs = dict(zip(self._names, self._session.run(self._names, inputs), strict=True))
        lost, total = outputs.pop(LOSSES).reshape(-1, 2).T
        bad = np.flatnonzero(~np.isfinite(lost))
        with np.errstate(all="ignore"):
            under = np.flatnonzero(np.isfinite(lost) & (lost > UNDERFLOW**2 * total))
        return StrictResult(
            outputs,
            self._describe_non_finite(self._checked[int(bad[0])][1], inputs) if len(bad) else None,
            self._checked[int(under[0])][0] if len(under) else None,
        )

    def _describe_non_finite(self, name: str, inputs: dict[str, NDArray[Any]]) -> str:
        """Which node went wrong, and how: where an FP32 node was first, its FP16 reader is not to blame."""
        value = next(value for value in _values(self._rounded) if value.name == name)
        array = self._evaluate([value], inputs)[0]
        while True:
            node = value.producer()
            assert node is not None
            sources = [source for source in node.inputs if is_float(source) and source and source.producer()]
            bad = [
                (source, found)
                for source, found in zip(sources, self._evaluate(sources, inputs), strict=True)
                if not np.isfinite(found).all()
            ]
            if not bad:
                break
            value, array = bad[0]
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        what = "turns NaN" if nan >= infinite else "overflows"
        title = next((words for words, rounded in self._checked if rounded == value.name), describe(node))
        return f"{title}, which {what} ({nan} NaN and {infinite} infinite of {array.size} values)"

    def _evaluate(self, values: Sequence[ir.Value | None], inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        names = [str(value.name) for value in values if value is not None]
        if not names:
            return []
        model = self._rounded.clone()
        named = {value.name: value for value in _values(model)}
        model.graph.outputs[:] = [named[name] for name in dict.fromkeys(names)]
        session = open_session(ir.to_proto(model).SerializeToString(), "cpu", optimise=False)
        found = dict(zip(dict.fromkeys(names), session.run(None, inputs), strict=True))
        return [found[name] for name in names]


def round_every_value(model: ir.Model) -> tuple[ir.Model, list[tuple[str, str]]]:
    """The rounding FP32 form of an FP16 model, with what rounding loses in each FP16 value as one more output.

    Returns:
        The model and, for each FP16 value in the order they are computed, its node in words and its name.
    """
    model = infer_types(model.clone())  # a value whose type is not written down must be rounded as well
    graph = model.graph
    for value in list(graph.initializers.values()):
        if value.dtype == ir.DataType.FLOAT16:
            array = constant(value)
            assert array is not None
            ir.convenience.replace_all_uses_with(
                value, add_constant(graph, f"{value.name}_as_fp32", array.astype(np.float32))
            )
    checked, losses = [], []
    for node in list(graph):
        if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT16:
            node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT)
        for output in [value for value in node.outputs if value.dtype == ir.DataType.FLOAT16]:
            rounded, loss = _round(graph, node, output)
            losses.append(loss)
            checked.append((describe(node), str(rounded.name)))
    if not losses:
        losses, checked = [add_constant(graph, "no_loss", np.zeros(2, dtype=np.float32))], [("", "")]
    joined = ir.node("Concat", losses, {"axis": 0}, num_outputs=1)
    graph.append(joined)
    joined.outputs[0].name = LOSSES
    joined.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph.outputs.append(joined.outputs[0])
    return model, checked


def _round(graph: ir.Graph, node: ir.Node, output: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Insert the pair of casts after `output`; the rounded value, and the squares [2] of the loss and of `output`.

    The first square is finite if and only if every rounded value is.
    """
    output.type = ir.TensorType(ir.DataType.FLOAT)
    narrow = ir.node("Cast", [output], {"to": ir.DataType.FLOAT16}, num_outputs=1)
    wide = ir.node("Cast", [narrow.outputs[0]], {"to": ir.DataType.FLOAT}, num_outputs=1)
    rounded = wide.outputs[0]
    rounded.name = f"{output.name}_rounded"
    rounded.type, rounded.shape = output.type, output.shape
    ir.convenience.replace_all_uses_with(output, rounded, replace_graph_outputs=True)
    narrow.replace_input_with(0, output)
    lost = ir.node("Sub", [output, rounded], num_outputs=1)
    squares = [ir.node("ReduceSumSquare", [value], {"keepdims": 0}, num_outputs=1) for value in (*lost.outputs, output)]
    shaped = [ir.node("Reshape", [square.outputs[0], _one(graph)], num_outputs=1) for square in squares]
    both = ir.node("Concat", [shape.outputs[0] for shape in shaped], {"axis": 0}, num_outputs=1)
    graph.insert_after(node, [narrow, wide, lost, *squares, *shaped, both])
    return rounded, both.outputs[0]


def _values(model: ir.Model) -> Iterator[ir.Value]:
    for node in model.graph:
        yield from node.outputs


def _one(graph: ir.Graph) -> ir.Value:
    name = "shape_of_one"
    return (
        graph.initializers[name] if name in graph.initializers else add_constant(graph, name, np.array([1], np.int64))
    )


def add_outputs(model: ir.Model, names: tuple[str, ...]) -> None:
    """Make inner values of `model` outputs as well, in place; names that the graph lacks are passed over."""
    there = {value.name for value in model.graph.outputs}
    for value in list(model.graph.initializers.values()):
        if value.name in names and value.name not in there:  # of a mask that never changes
            node = ir.node("Identity", [value], num_outputs=1)
            node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
            node.outputs[0].name, value.name = value.name, f"{value.name}_stored"
            model.graph.append(node)
    for value in _values(model):
        if value.name in names and value.name not in there:
            model.graph.outputs.append(value)

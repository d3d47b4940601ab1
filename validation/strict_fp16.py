"""Strict FP16 on the CPU: an evaluation of an FP16 graph that rounds every intermediate value to FP16.

ONNX Runtime's CPU kernels compute FP16 graphs with FP32 intermediates, which hides overflow: a graph that is NaN on a
GPU looks fine there. Here the FP16 graph becomes an FP32 graph in which a pair of casts rounds the result of every FP16
node, and which runs without optimisation, so that no pair is removed. Sums inside one node stay FP32, as in the matrix
units of a GPU.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.export.graph.ir_tools import add_constant, constant, describe
from inpaintrt.runtime.backends.onnx_runtime import open_session

FLAGS = "non_finite_flags"


@dataclass(frozen=True)
class StrictResult:
    """Outputs by name, and the first node whose result holds NaN or Inf (None if all are finite)."""

    outputs: dict[str, NDArray[Any]]
    first_non_finite: str | None


class StrictFp16:
    """Evaluates an FP16 model strictly.

    Args:
        model: strongly typed FP16 graph.
        probes: names of values that are returned besides the outputs, where the graph has them.
    """

    def __init__(self, model: ir.Model, probes: tuple[str, ...] = ()):
        rounded, self._checked = round_every_value(model)
        add_outputs(rounded, probes)
        self._names = [str(value.name) for value in rounded.graph.outputs]
        self._session = open_session(ir.to_proto(rounded).SerializeToString(), "cpu", optimise=False)

    def run(self, inputs: dict[str, NDArray[Any]]) -> StrictResult:
        """Evaluate once."""
        outputs = dict(zip(self._names, self._session.run(self._names, inputs), strict=True))
        flags = outputs.pop(FLAGS)
        bad = np.flatnonzero(flags != 0)
        return StrictResult(outputs, self._checked[int(bad[0])] if len(bad) else None)


def round_every_value(model: ir.Model) -> tuple[ir.Model, list[str]]:
    """The rounding FP32 form of an FP16 model, with a flag for each FP16 node as one more output.

    Returns:
        The model and, for each flag, which node it belongs to, in the order they are computed.
    """
    model = model.clone()
    graph = model.graph
    for value in list(graph.initializers.values()):
        if value.dtype == ir.DataType.FLOAT16:
            array = constant(value)
            assert array is not None
            ir.convenience.replace_all_uses_with(
                value, add_constant(graph, f"{value.name}_as_fp32", array.astype(np.float32))
            )
    checked, flags = [], []
    for node in list(graph):
        if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT16:
            node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT)
        for output in [value for value in node.outputs if value.dtype == ir.DataType.FLOAT16]:
            flags.append(_round(graph, node, output))
            checked.append(describe(node))
    zero = add_constant(graph, "no_flag", np.zeros(1, dtype=np.float32))
    joined = ir.node("Concat", [zero, *flags], {"axis": 0}, num_outputs=1)
    graph.append(joined)
    sliced = ir.node("Abs", [joined.outputs[0]], num_outputs=1)
    graph.append(sliced)
    sliced.outputs[0].name = FLAGS
    sliced.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph.outputs.append(sliced.outputs[0])
    return model, ["", *checked]


def _round(graph: ir.Graph, node: ir.Node, output: ir.Value) -> ir.Value:
    """Insert the pair of casts after `output`, and make a flag [1] that is 0 while its values are finite."""
    output.type = ir.TensorType(ir.DataType.FLOAT)
    narrow = ir.node("Cast", [output], {"to": ir.DataType.FLOAT16}, num_outputs=1)
    wide = ir.node("Cast", [narrow.outputs[0]], {"to": ir.DataType.FLOAT}, num_outputs=1)
    wide.outputs[0].type, wide.outputs[0].shape = output.type, output.shape
    ir.convenience.replace_all_uses_with(output, wide.outputs[0], replace_graph_outputs=True)
    narrow.replace_input_with(0, output)
    # x - x is 0 for finite x and NaN otherwise, and NaN survives the sum; NaN != 0.
    difference = ir.node("Sub", [wide.outputs[0], wide.outputs[0]], num_outputs=1)
    total = ir.node("ReduceSum", [difference.outputs[0]], {"keepdims": 0}, num_outputs=1)
    shape = ir.node("Reshape", [total.outputs[0], _one(graph)], num_outputs=1)
    graph.insert_after(node, [narrow, wide, difference, total, shape])
    return shape.outputs[0]


def _one(graph: ir.Graph) -> ir.Value:
    name = "shape_of_one"
    return (
        graph.initializers[name] if name in graph.initializers else add_constant(graph, name, np.array([1], np.int64))
    )


def add_outputs(model: ir.Model, names: tuple[str, ...]) -> None:
    """Make inner values of `model` outputs as well, in place; names that the graph lacks are passed over."""
    there = {value.name for value in model.graph.outputs}
    for node in model.graph:
        for value in node.outputs:
            if value.name in names and value.name not in there:
                model.graph.outputs.append(value)

"""An FP16 graph each of whose nodes can be taken out of FP16 without a new export.

As in `strict_fp16.py`, the graph is evaluated in FP32 with rounding by pairs of casts; but each rounding is behind a
switch, and so are the weights. A node whose switch is off computes as `--keep-fp32` would have it: with FP32 weights,
on operands that are rounded only where another node makes them in FP16, and with a result that is rounded only where a
node in FP16 reads it.
"""

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.export.graph.ir_tools import add_constant, constant, infer_types, insert_before
from inpaintrt.runtime.backends.onnx_runtime import open_session

from .weights import all_constants, unrounded

SWITCHES = "fp16_switches"


class HalfNode:
    """A node that computes in FP16.

    Attributes:
        value: name of its result.
        keep: its name for `--keep-fp32`.
        words: what it is called in messages.
    """

    def __init__(self, node: ir.Node, single_names: Container[str | None]):
        self.value = str(node.outputs[0].name)
        plain = self.value.removesuffix("_fp16")  # the exporter appends it to what becomes an output of the graph
        self.keep = plain if self.value not in single_names and plain in single_names else self.value
        self.words = f"{node.op_type} {self.keep}"


class SwitchedFp16:
    """Evaluates an FP16 model with any of its nodes in FP32.

    Attributes:
        nodes: the nodes that compute in FP16.
    """

    def __init__(self, half: ir.Model, single: ir.Model, probes: Sequence[str]):
        """Prepare the evaluation.

        Args:
            half: the strongly typed FP16 model.
            single: the FP32 model it was made of, for its weights.
            probes: names of inner values that may be asked for besides the outputs and the nodes' results.
        """
        model = infer_types(half.clone())
        self._graph, self._single = model.graph, all_constants(single)
        self.nodes: list[HalfNode] = []
        names = {value.name for node in single.graph for value in node.outputs}
        self._numbers: dict[ir.Node, int] = {}
        for node in model.graph:
            if node.op_type != "Cast" and any(_is_half(value) for value in node.outputs):
                self._numbers[node] = len(self.nodes)
                self.nodes.append(HalfNode(node, names))
        self._rounded: dict[ir.Value, ir.Value] = {}
        self._add_switches(model)
        watched = {*probes, *(node.value for node in self.nodes)}
        there = {value.name for value in model.graph.outputs}
        model.graph.outputs.extend(
            value for node in model.graph for value in node.outputs if value.name in watched - there
        )
        self.shown = [str(value.name) for value in model.graph.outputs]
        self._session = open_session(ir.to_proto(model).SerializeToString(), "cpu", optimise=False)

    def run(
        self, inputs: dict[str, NDArray[Any]], kept: Sequence[int], names: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """Values by name, with the nodes of some numbers in FP32; results of nodes are given before rounding."""
        switches = np.ones(max(len(self.nodes), 1), dtype=np.bool_)
        switches[list(kept)] = False
        found = self._session.run(list(names), {**inputs, SWITCHES: switches})
        return dict(zip(names, found, strict=True))

    def _add_switches(self, model: ir.Model) -> None:
        graph = model.graph
        count = max(len(self.nodes), 1)
        vector = ir.Value(name=SWITCHES, type=ir.TensorType(ir.DataType.BOOL), shape=ir.Shape((count,)))
        graph.inputs.append(vector)
        anchor = graph.node(0)
        self._switches = [
            insert_before(anchor, "Gather", [vector, add_constant(graph, "switch", np.array(number))], {"axis": 0},
                          dtype=ir.DataType.BOOL)
            for number in range(len(self.nodes))
        ]  # fmt: skip
        nodes = [node for node in graph if node.op_type != "Gather" or node.inputs[0] is not vector]
        for node in nodes:
            for index, value in enumerate(node.inputs):
                if value is not None and _is_half(value):
                    node.replace_input_with(index, self._operand(node, value))
        for node in nodes:
            if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT16:
                node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT)
            for value in node.outputs:
                if _is_half(value):
                    value.type = ir.TensorType(ir.DataType.FLOAT)

    def _operand(self, reader: ir.Node, value: ir.Value) -> ir.Value:
        """What a node reads in place of an FP16 value."""
        number = self._numbers.get(reader)
        array = constant(value)
        if array is not None:
            narrow = add_constant(self._graph, f"{value.name}_as_fp32", array.astype(np.float32))
            wide = unrounded(str(value.name), array, self._single)
            if number is None or wide is None:
                return narrow
            original = add_constant(self._graph, f"{value.name}_unrounded", wide.astype(np.float32))
            return insert_before(reader, "Where", [self._switches[number], narrow, original], dtype=ir.DataType.FLOAT)
        maker = value.producer()
        made_by = self._numbers.get(maker) if maker is not None else None
        switches = [self._switches[each] for each in (made_by, number) if each is not None]
        rounded = self._round(reader, value)
        if not switches:
            return rounded
        condition = switches[0]
        if len(switches) == 2:
            condition = insert_before(reader, "Or", list(switches), dtype=ir.DataType.BOOL)
        return insert_before(reader, "Where", [condition, rounded, value], dtype=ir.DataType.FLOAT)

    def _round(self, reader: ir.Node, value: ir.Value) -> ir.Value:
        if value not in self._rounded:
            narrow = insert_before(reader, "Cast", [value], {"to": ir.DataType.FLOAT16}, name=f"{value.name}_narrow")
            self._rounded[value] = insert_before(
                reader, "Cast", [narrow], {"to": ir.DataType.FLOAT}, dtype=ir.DataType.FLOAT
            )
        return self._rounded[value]


def _is_half(value: ir.Value) -> bool:
    return bool(value.dtype == ir.DataType.FLOAT16)

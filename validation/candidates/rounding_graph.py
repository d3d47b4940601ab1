"""The FP32 graph that computes what an FP16 graph does: a pair of casts rounds every FP16 value.

Sums inside one node stay FP32, as in the matrix units of a GPU. The roundings can be switched: a node whose switch is
off computes as `--keep-fp32` would have it, with FP32 weights, on operands that are rounded only where another node
makes them in FP16, and with a result that is rounded only where a node in FP16 reads it.
"""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.export.graph.ir_tools import add_constant, constant, describe, infer_types, insert_before

from .weights import all_constants, unrounded

SWITCHES = "fp16_switches"
"""Name of the input with a boolean for each node that computes in FP16, where they can be switched."""

LOSSES = "rounding_losses"
"""Name of the output that holds, for each FP16 value, the squares of what rounding lost and of the value itself."""


class HalfNode:
    """A node that computes in FP16.

    Attributes:
        value: name of its result.
        keep: its name for `--keep-fp32`.
        words: what it is called in messages.
    """

    def __init__(self, node: ir.Node, fp32_names: Container[str | None]):
        self.value = str(node.outputs[0].name)
        plain = self.value.removesuffix("_fp16")  # the exporter appends it to what becomes an output of the graph
        self.keep = plain if self.value not in fp32_names and plain in fp32_names else self.value
        self.words = f"{node.op_type} {self.keep}"


class RoundingGraph:
    """An FP16 model in its rounding FP32 form.

    Attributes:
        model: the FP32 form. With `originals` it has the input `SWITCHES`, else the output `LOSSES`.
        checked: for each FP16 value in the order they are computed, its node in words and the rounded value's name.
        nodes: the nodes that compute in FP16, in the order of the switches; empty without `originals`.
    """

    def __init__(self, half: ir.Model, originals: ir.Model | None = None):
        """Build it.

        Args:
            half: the strongly typed FP16 model.
            originals: the FP32 model it was made of, for its weights, if nodes are to be switched.
        """
        self.model = infer_types(half.clone())  # a value whose type is not written down must be rounded as well
        self.checked: list[tuple[str, str]] = []
        self.nodes: list[HalfNode] = []
        self._graph = self.model.graph
        self._originals: Mapping[str, NDArray[Any]] = {}
        self._numbers: dict[ir.Node, int] = {}
        self._switches: list[ir.Value] = []
        self._rounded: dict[ir.Value, ir.Value] = {}
        own = list(self._graph)
        if originals is not None:
            self._originals = all_constants(originals)
            self._add_switches({value.name for node in originals.graph for value in node.outputs})
        losses = self._round_results(own, originals is None)
        for node in own:
            for index, value in enumerate(node.inputs):
                if value is not None and _is_half(value):
                    node.replace_input_with(index, self._operand(node, value))
        self._graph.outputs[:] = [self._rounded.get(value, value) for value in self._graph.outputs]
        for node in own:
            if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT16:
                node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT)
            for value in node.outputs:
                if _is_half(value):
                    value.type = ir.TensorType(ir.DataType.FLOAT)
        if originals is None:
            self._add_losses(losses)

    def _add_switches(self, fp32_names: Container[str | None]) -> None:
        for node in self._graph:
            if node.op_type != "Cast" and any(_is_half(value) for value in node.outputs):
                self._numbers[node] = len(self.nodes)
                self.nodes.append(HalfNode(node, fp32_names))
        shape = ir.Shape((max(len(self.nodes), 1),))
        vector = ir.Value(name=SWITCHES, type=ir.TensorType(ir.DataType.BOOL), shape=shape)
        self._graph.inputs.append(vector)
        anchor = self._graph.node(0)
        self._switches = [
            insert_before(anchor, "Gather", [vector, add_constant(self._graph, "switch", np.array(number))],
                          {"axis": 0}, dtype=ir.DataType.BOOL)
            for number in range(len(self.nodes))
        ]  # fmt: skip

    def _round_results(self, nodes: list[ir.Node], watch: bool) -> list[ir.Value]:
        """Insert the pair of casts after every FP16 result; the losses, where they are watched."""
        losses = []
        for node in nodes:
            for value in [each for each in node.outputs if _is_half(each)]:
                narrow = ir.node("Cast", [value], {"to": ir.DataType.FLOAT16}, num_outputs=1)
                wide = ir.node("Cast", [narrow.outputs[0]], {"to": ir.DataType.FLOAT}, num_outputs=1)
                rounded = wide.outputs[0]
                rounded.name, rounded.shape = f"{value.name}_rounded", value.shape
                rounded.type = ir.TensorType(ir.DataType.FLOAT)
                self._graph.insert_after(node, [narrow, wide])
                self._rounded[value] = rounded
                self.checked.append((describe(node), str(rounded.name)))
                if watch:
                    losses.append(self._loss(wide, value))
        return losses

    def _loss(self, wide: ir.Node, value: ir.Value) -> ir.Value:
        """The squares [2] of what rounding lost and of the value; the first is finite if the rounded value is."""
        lost = ir.node("Sub", [value, wide.outputs[0]], num_outputs=1)
        squares = [
            ir.node("ReduceSumSquare", [each], {"keepdims": 0}, num_outputs=1) for each in (*lost.outputs, value)
        ]
        one = self._graph.initializers.get("shape_of_one")
        if one is None:
            one = add_constant(self._graph, "shape_of_one", np.array([1], np.int64))
        shaped = [ir.node("Reshape", [square.outputs[0], one], num_outputs=1) for square in squares]
        both = ir.node("Concat", [shape.outputs[0] for shape in shaped], {"axis": 0}, num_outputs=1)
        self._graph.insert_after(wide, [lost, *squares, *shaped, both])
        return both.outputs[0]

    def _add_losses(self, losses: list[ir.Value]) -> None:
        if not losses:
            losses, self.checked = [add_constant(self._graph, "no_loss", np.zeros(2, dtype=np.float32))], [("", "")]
        joined = ir.node("Concat", losses, {"axis": 0}, num_outputs=1)
        self._graph.append(joined)
        joined.outputs[0].name = LOSSES
        joined.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        self._graph.outputs.append(joined.outputs[0])

    def _operand(self, reader: ir.Node, value: ir.Value) -> ir.Value:
        """What a node reads in place of an FP16 value."""
        number = self._numbers.get(reader)
        array = constant(value)
        if array is not None:
            return self._constant(reader, value, array, number)
        rounded, maker = self._rounded.get(value, value), value.producer()
        made_by = self._numbers.get(maker) if maker is not None else None
        switches = [self._switches[each] for each in (made_by, number) if each is not None]
        if not switches:
            return rounded
        condition = switches[0]
        if len(switches) == 2:
            condition = insert_before(reader, "Or", list(switches), dtype=ir.DataType.BOOL)
        return insert_before(reader, "Where", [condition, rounded, value], dtype=ir.DataType.FLOAT)

    def _constant(self, reader: ir.Node, value: ir.Value, array: NDArray[Any], number: int | None) -> ir.Value:
        name = f"{value.name}_as_fp32"
        narrow = self._graph.initializers.get(name)
        if narrow is None:
            narrow = add_constant(self._graph, name, array.astype(np.float32))
        wide = None if number is None else unrounded(str(value.name), array, self._originals)
        if number is None or wide is None:
            return narrow
        original = add_constant(self._graph, f"{value.name}_unrounded", wide.astype(np.float32))
        return insert_before(reader, "Where", [self._switches[number], narrow, original], dtype=ir.DataType.FLOAT)


def _is_half(value: ir.Value) -> bool:
    return bool(value.dtype == ir.DataType.FLOAT16)

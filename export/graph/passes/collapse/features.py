"""Where narrow masks meet features, and what else needs them wide."""

import numpy as np
import onnx_ir as ir

from ...ir_tools import add_constant, channels, insert_before
from ...operators import COMPUTED_NARROW, POINTWISE_OF_MASKS
from .narrow_forms import Groups, NarrowForms


class Meeting:
    """Gives nodes that stay wide what they need of narrow values, so that nothing else uses the wide ones."""

    def __init__(self, forms: NarrowForms):
        self.forms = forms
        self.widened: dict[ir.Value, ir.Value] = {}

    def visit(self, node: ir.Node) -> None:
        """Replace the operands of a node that has no narrow form."""
        for index, value in enumerate(node.inputs):
            if value is None or value not in self.forms.narrow:
                continue
            narrow, groups = self.forms.narrow[value], self.forms.groups[value]
            if len(groups) == 1 and node.op_type in POINTWISE_OF_MASKS and channels(narrow) == 1:
                # Another operand must keep the result as wide as it was.
                others = [operand for place, operand in enumerate(node.inputs) if place != index]
                wide = channels(node.outputs[0])
                if wide is not None and any(channels(operand) == wide for operand in others):
                    node.replace_input_with(index, narrow)
                    continue
            if node.op_type != "Mul" or not self._multiply_parts(node, index, groups):
                self._widen(node, index, value)

    def finish_outputs(self) -> None:
        """Outputs of the graph keep their shape."""
        graph = self.forms.graph
        for index, value in enumerate(graph.outputs):
            if value in self.forms.narrow and len(self.forms.groups[value]) == 1:
                shape = add_constant(graph, "channels", np.array([1, self.forms.groups[value][0], 1, 1], np.int64))
                node = ir.node("Expand", [self.forms.narrow[value], shape], num_outputs=1)
                node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
                graph.append(node)
                graph.outputs[index] = node.outputs[0]
                node.outputs[0].name, value.name = value.name, f"{value.name}_wide"

    def _widen(self, node: ir.Node, index: int, value: ir.Value) -> None:
        """The wide value again, made of the narrow one, so that what computed it is no longer needed."""
        narrow, groups = self.forms.narrow[value], self.forms.groups[value]
        producer = value.producer()
        if channels(narrow) != len(groups) or producer is None or producer.op_type not in COMPUTED_NARROW:
            return
        if value not in self.widened:
            places = np.repeat(np.arange(len(groups)), groups).astype(np.int64)
            chosen = add_constant(self.forms.graph, f"{value.name}_channels", places)
            made = narrow.producer()
            widened = ir.node("Gather", [narrow, chosen], {"axis": 1}, num_outputs=1)
            widened.outputs[0].type, widened.outputs[0].shape = value.type, value.shape
            assert made is not None
            self.forms.graph.insert_after(made, widened)
            self.widened[value] = widened.outputs[0]
        node.replace_input_with(index, self.widened[value])

    def _multiply_parts(self, node: ir.Node, index: int, groups: Groups) -> bool:
        """Whether a product with a mask of several groups became products of the parts of its features."""
        mask, feature = node.inputs[index], node.inputs[1 - index]
        joined = feature.producer() if feature is not None else None
        planes = self.forms.narrow[mask].producer() if mask is not None else None
        if joined is None or joined.op_type != "Concat" or planes is None or planes.op_type != "Concat":
            return False
        if joined.attributes["axis"].as_int() != 1 or tuple(channels(part) for part in joined.inputs) != groups:
            return False
        if any(channels(plane) != 1 for plane in planes.inputs) or len(planes.inputs) != len(groups):
            return False
        products: list[ir.Value | None] = [
            insert_before(node, "Mul", [part, plane], like=part)
            for part, plane in zip(joined.inputs, planes.inputs, strict=True)
        ]
        together = insert_before(node, "Concat", products, {"axis": 1}, like=node.outputs[0])
        ir.convenience.replace_all_uses_with(node.outputs[0], together)
        return True

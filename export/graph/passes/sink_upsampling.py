"""Pointwise operators computed before nearest upsampling and not after it.

Repeating places commutes, exactly, with whatever treats each place for itself::

    up(x) * up(m)  =  up(x * m)          relu(up(x))  =  up(relu(x))

A product with the mask then costs a quarter, and the convolution sees the upsampling itself (`fold_upsampling`).
"""

import onnx_ir as ir

from ..analysis.nearest_upsampling import nearest_factors
from ..ir_tools import constant, insert_before, replace_output
from ..operators import POINTWISE_AROUND_UPSAMPLING
from ..report import PassReport


def sink_upsampling(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Move pointwise operators from after nearest upsampling to before it, in a copy of `model`."""
    model = model.clone()
    report = PassReport("sink_upsampling")
    for node in list(model.graph):
        if node.op_type in POINTWISE_AROUND_UPSAMPLING and not node.domain and len(node.outputs) == 1 and _move(node):
            report.change(node)
    return model, report


def _move(node: ir.Node) -> bool:
    resizes: list[ir.Node] = []
    before: list[ir.Value | None] = []
    for value in node.inputs:
        producer = value.producer() if value is not None else None
        if value is None or _same_everywhere(value):
            before.append(value)
        elif producer is not None and nearest_factors(producer) is not None:
            resizes.append(producer)
            before.append(producer.inputs[0])
        else:
            return False
    if len({nearest_factors(resize) for resize in resizes}) != 1:
        return False
    widest = next((resize for resize in resizes if resize.outputs[0].shape == node.outputs[0].shape), None)
    if widest is None:
        return False
    source = widest.inputs[0]
    computed = insert_before(node, node.op_type, before, dict(node.attributes), like=source)
    inputs: list[ir.Value | None] = [computed, *widest.inputs[1:]]
    moved = insert_before(node, "Resize", inputs, dict(widest.attributes), like=node.outputs[0])
    replace_output(node.outputs[0], moved)
    assert isinstance(node.graph, ir.Graph)
    node.graph.remove(node, safe=True)
    return True


def _same_everywhere(value: ir.Value) -> bool:
    """Whether a value is a constant that is the same in all places: one number, or one for each channel."""
    array = constant(value)
    return array is not None and (array.size == 1 or (array.ndim >= 3 and array.shape[-2:] == (1, 1)))

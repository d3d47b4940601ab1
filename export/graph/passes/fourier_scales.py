"""The scales around a discrete Fourier transform, which its matrix takes.

PyTorch's exporter writes `norm` as a division or a multiplication by the length or its root, whose number it takes from
the shape of what is transformed::

    Div(x, Sqrt(CastLike(Squeeze(Shape(x)[axis]))))
"""

import math

import onnx_ir as ir

from ..ir_tools import constant
from ..operators import ONE_NUMBER

SAME = 1e-6
"""Relative difference that FP32 makes to a root."""


def axis_of(node: ir.Node) -> int | None:
    """The axis of a DFT, counted from the first; None if it is computed."""
    data = node.inputs[0]
    if data is None or data.shape is None:
        return None
    axis = -2
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        array = constant(node.inputs[2])
        if array is None:
            return None
        axis = int(array.reshape(-1)[0])
    elif "axis" in node.attributes:  # before opset 20
        axis = node.attributes["axis"].as_int()
    return axis % len(data.shape)


def scale_before(node: ir.Node, axis: int) -> tuple[ir.Value, int | float]:
    """What a DFT would transform without a scale before it, and the power of the length that the scale is."""
    data = node.inputs[0]
    assert data is not None
    scaling = data.producer()
    if scaling is None or scaling.op_type not in ("Div", "Mul") or _real_uses(data) != [node]:
        return data, 0
    return _scaled(scaling, node, axis, 0) or (data, 0)


def scale_after(node: ir.Node, axis: int) -> tuple[ir.Value, int | float]:
    """What of a DFT is read on, and the power of the length that it is multiplied by until there."""
    result = node.outputs[0]
    users = _real_uses(result)
    if len(users) != 1 or users[0].op_type not in ("Div", "Mul") or result.is_graph_output():
        return result, 0
    scaled = _scaled(users[0], node, axis, list(users[0].inputs).index(result))
    return (result, 0) if scaled is None else (users[0].outputs[0], scaled[1])


def is_length(value: ir.Value, node: ir.Node, axis: int) -> bool:
    """Whether a value is the size of a DFT's operand along `axis`."""
    return _power_of_length(value, node, axis) == 1


def _scaled(scaling: ir.Node, node: ir.Node, axis: int, index: int) -> tuple[ir.Value, float] | None:
    """The operand of a scaling at `index`, and the power of the length that it is multiplied by."""
    value, factor = scaling.inputs[index], scaling.inputs[1 - index]
    if value is None or factor is None or (scaling.op_type == "Div" and index == 1):
        return None
    power = _power_of_length(factor, node, axis)
    return None if power is None else (value, -power if scaling.op_type == "Div" else power)


def _real_uses(value: ir.Value) -> list[ir.Node]:
    return [use.node for use in value.uses() if use.node.op_type not in ("Shape", "CastLike")]


def _power_of_length(value: ir.Value, node: ir.Node, axis: int) -> float | None:
    """1 or 1/2 if `value` is the length of a transform or its root; None for anything else."""
    array = constant(value)
    length = _length(node, axis)
    if array is not None:
        if array.size != 1 or not isinstance(length, int):
            return None
        number = float(array.reshape(-1)[0])
        powers = {power: float(length) ** power for power in (1.0, 0.5)}
        return next((p for p, expected in powers.items() if math.isclose(number, expected, rel_tol=SAME)), None)
    maker = value.producer()
    if maker is None:
        return None
    if maker.op_type == "Sqrt" and maker.inputs[0] is not None:
        power = _power_of_length(maker.inputs[0], node, axis)
        return None if power is None else power / 2
    if maker.op_type in ONE_NUMBER and maker.inputs[0] is not None:
        return _power_of_length(maker.inputs[0], node, axis)
    if maker.op_type != "Shape":
        return None
    return 1.0 if _is_size(maker, node, axis, length) else None


def _is_size(shape: ir.Node, node: ir.Node, axis: int, length: object) -> bool:
    """Whether a Shape gives the one size `length`: of the transform's operand or result, or of a value alike."""
    start = shape.attributes["start"].as_int() if "start" in shape.attributes else 0
    measured = shape.inputs[0]
    if measured is None or measured.shape is None or start < 0 or start >= len(measured.shape):
        return False
    if "end" not in shape.attributes or shape.attributes["end"].as_int() != start + 1:
        return False
    if isinstance(length, int):
        return bool(measured.shape[start] == length)
    named = isinstance(length, ir.SymbolicDim) and length.value is not None
    same = named and measured.shape[start] == length
    return start == axis and (bool(same) or measured in _along(node))


def _length(node: ir.Node, axis: int) -> int | ir.SymbolicDim | None:
    """How long a transform is: as what it makes, if that is real, or as its operand."""
    inverse, onesided = (name in node.attributes and node.attributes[name].as_int() for name in ("inverse", "onesided"))
    if inverse and onesided:
        given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
        if given is not None:
            return int(given.reshape(-1)[0])
        shape = node.outputs[0].shape
    else:
        shape = node.inputs[0].shape if node.inputs[0] is not None else None
    return None if shape is None else shape[axis]


def _along(node: ir.Node) -> list[ir.Value | None]:
    """Values of which the one transformed axis is surely as long as the transform."""
    inverse, onesided = (name in node.attributes and node.attributes[name].as_int() for name in ("inverse", "onesided"))
    data = node.inputs[0]
    if inverse and onesided:
        return [node.outputs[0]]
    scaling = data.producer() if data is not None else None
    before = list(scaling.inputs[:1]) if scaling is not None and scaling.op_type in ("Div", "Mul") else []
    return [data, *before, *([] if onesided else [node.outputs[0]])]

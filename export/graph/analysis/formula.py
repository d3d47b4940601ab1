"""A layer as a formula, for the reader of `--explain`.

`z` is the convolution without its bias, `b` a number for each channel, `s` the mask sum, `m` anything else of the mask
path.
"""

import onnx_ir as ir

from ..ir_tools import constant
from ..operators import POINTWISE, TRANSPARENT

DEPTH = 16
"""Nodes back that are written out."""

INFIX = {
    "Add": ("+", 1), "Sub": ("-", 1), "Mul": ("*", 2), "Div": ("/", 2), "Pow": ("**", 3), "Equal": ("==", 0),
    "Greater": (">", 0), "GreaterOrEqual": (">=", 0), "Less": ("<", 0), "LessOrEqual": ("<=", 0), "And": ("and", 0),
    "Or": ("or", 0),
}  # fmt: skip
"""How operators with two operands are written, and how strongly they bind."""

ATOM = 9


def formula_of(value: ir.Value, conv: ir.Node, root: ir.Value | None) -> str:
    """The formula of `value`, which is made of the result of `conv` and of values of the mask path.

    Args:
        value: the last value of a layer.
        conv: its convolution.
        root: the mask sum.
    """
    return _write(value, conv, root, DEPTH)[0]


def _write(value: ir.Value | None, conv: ir.Node, root: ir.Value | None, depth: int) -> tuple[str, int]:
    """The text of a value, and how strongly its outermost operator binds."""
    if value is None:
        return "", ATOM
    if value is conv.outputs[0]:
        bias = constant(conv.inputs[2]) if len(conv.inputs) > 2 else None
        return ("z + b", 1) if bias is not None and bias.any() else ("z", ATOM)
    if value is root:
        return "s", ATOM
    array = constant(value)
    if array is not None:
        return (f"{array.reshape(-1)[0]:g}", ATOM) if array.size and (array == array.flat[0]).all() else ("b", ATOM)
    node = value.producer()
    if node is None or depth == 0 or node.op_type not in POINTWISE:
        return "m", ATOM
    if node.op_type in TRANSPARENT:
        return _write(node.inputs[0], conv, root, depth - 1)
    operands = [_write(operand, conv, root, depth - 1) for operand in node.inputs]
    operator = node.op_type
    if operator == "Reciprocal":
        operator, operands = "Div", [("1", ATOM), *operands]
    if operator in INFIX and len(operands) == 2:
        sign, binds = INFIX[operator]
        left, right = operands
        # Subtraction and division do not associate to the right.
        first = left[0] if left[1] >= binds else f"({left[0]})"
        second = right[0] if right[1] > binds else f"({right[0]})"
        return f"{first} {sign} {second}", binds
    return f"{operator.lower()}({', '.join(text for text, _ in operands if text)})", ATOM

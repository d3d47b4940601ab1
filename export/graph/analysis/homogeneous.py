"""Which operators commute with a positive factor: `f(k x) = k f(x)` for any k > 0.

Convolutions and products with what is not scaled, ReLU and its kin, pooling, resampling, moves and sums do; of what is
added, the constants must carry the factor as well.
"""

from collections.abc import Collection

import onnx_ir as ir

from ..ir_tools import FLOATS
from ..operators import ADDITIVE, LINEAR, PRODUCTS


def reason_against(node: ir.Node, carrying: Collection[ir.Value]) -> str | None:
    """Why a node does not commute with a positive factor on the values that carry it; None if it does."""
    operands = [index for index, value in enumerate(node.inputs) if value is not None and value in carrying]
    if node.domain:
        return f"it is of domain {node.domain}"
    if node.op_type == "Cast" and node.attributes["to"].as_int() not in FLOATS:
        return "it turns features into integers"
    if node.op_type in LINEAR:
        return None if operands == [0] else "it has other operands than one feature"
    if node.op_type in ("Mul", "Div"):
        if len(operands) != 1:
            return "it combines two feature values"
        return None if node.op_type == "Mul" or operands == [0] else "it divides by a feature value"
    if node.op_type in PRODUCTS:
        either = node.op_type == "MatMul" and operands == [1]
        return None if operands == [0] or either else "its weight depends on the image"
    if node.op_type in ADDITIVE:
        return "its condition depends on the image" if node.op_type == "Where" and 0 in operands else None
    if node.op_type == "Pad":
        return None if operands == [0] else "its padding depends on the image"
    return f"{node.op_type} is not homogeneous"


def added_operands(node: ir.Node) -> range:
    """The operands that are added to the feature one, and must carry its factor."""
    if node.op_type in ADDITIVE:
        return range(1 if node.op_type == "Where" else 0, len(node.inputs))
    if node.op_type in PRODUCTS or node.op_type == "Pad":
        return range(2, min(3, len(node.inputs)))
    return range(0)

"""The multiply-adds of an ONNX model's nodes, by precision."""

from math import prod
from typing import Any

from .onnx_shapes import Values


def multiply_adds(model: Any, values: Values) -> dict[str, tuple[str, int]]:
    """For each convolution and matrix product, by its node's name: the type of what it multiplies, and how often.

    Args:
        model: `onnx.ModelProto`.
        values: shapes and types of its values; a node of which one is missing is left out.
    """
    work = {}
    for node in model.graph.node:
        known = [values.get(name) for name in (*node.input[:2], node.output[0])]
        if node.op_type not in ("Conv", "ConvTranspose", "MatMul", "Gemm") or None in known:
            continue
        (left, kind), (right, _), (result, _) = known  # type: ignore[misc]
        if node.op_type == "Conv":  # each result sums over a kernel
            count = prod(result) * prod(right[1:])
        elif node.op_type == "ConvTranspose":  # each input is spread over a kernel
            count = prod(left) * prod(right[1:])
        else:
            turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            count = prod(result) * left[0 if turned else -1]
        work[node.name] = kind, count
    return work

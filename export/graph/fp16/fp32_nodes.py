"""Nodes that must stay FP32 in the FP16 graph: scores that go into a softmax, and norms.

A softmax magnifies absolute differences of its scores, exp(10 s) in contextual attention, and scores are sums of
hundreds of products, which FP16 rounds coarsely or does not hold at all. Norms are sums of squares, which leave the
FP16 range at features of 256. So, whoever wrote the network, these nodes are found in its graph:

* from each softmax backwards to the matrix product or convolution of two features that makes its scores, and that
  product itself, unless both of its operands are divided by their own norms, or by the largest of them: then its
  result is at most as large as the vectors are long, and is rounded once. Convolutions of a single channel with
  constant weights, which join neighbouring scores, lie between;
* sums and means, the squares they are taken of, and what is made of nothing else, as a square root is, up to the node
  that applies it to features;
* nodes that only move values from one of these to another.

The layers that make the operands of the product stay FP16: their roundings are many and independent, and average out.
"""

from collections.abc import Iterator

import onnx_ir as ir

from ..analysis.mask_path import MaskPath
from ..ir_tools import constant, is_float
from ..operators import MOVES, NORMS, OF_NORMS, PRODUCTS_AND_EINSUM, SOFTMAX, SQUARES

SCORES = "its result goes into a softmax, which magnifies rounding"
NORM = "a sum of squares, or what is made of one, may leave the FP16 range"
BETWEEN = "it moves values between nodes that are kept"


def fp32_nodes(graph: ir.Graph, mask_path: MaskPath) -> dict[ir.Node, str]:
    """Nodes of the feature path that must stay FP32, each with the reason."""
    features = _Features(mask_path)
    found: dict[ir.Node, str] = {}
    for node in graph:
        if not features.reach(node):
            continue
        if node.op_type in SOFTMAX:
            found[node] = SCORES
            for made in _scores(node, features):
                found.setdefault(made, SCORES)
        elif node.op_type in NORMS:
            found[node] = NORM
            for made in (*_squares(node, features), *_applications(node, features)):
                found.setdefault(made, NORM)
    # Against the order of the graph, so that a chain of moves is found from its end.
    for node in reversed(graph):
        if node.op_type in MOVES and node not in found and features.reach(node) and _between(node, found, features):
            found[node] = BETWEEN
    return found


class _Features:
    """Which values are floating-point features."""

    def __init__(self, mask_path: MaskPath):
        self.mask_path = mask_path

    def of(self, node: ir.Node) -> list[ir.Value]:
        """Those of its operands that depend on the image."""
        return [v for v in node.inputs if v is not None and v in self.mask_path.image_dependent and is_float(v)]

    def reach(self, node: ir.Node) -> bool:
        """Whether a node makes features of features."""
        return bool(self.of(node)) and any(is_float(value) for value in node.outputs)

    def makers(self, node: ir.Node) -> Iterator[ir.Node]:
        """The nodes that make its feature operands."""
        for value in self.of(node):
            producer = value.producer()
            if producer is not None and self.reach(producer):
                yield producer


def _scores(softmax: ir.Node, features: _Features) -> Iterator[ir.Node]:
    """Every node between the softmax and the layers before it, that product included."""
    waiting, seen = list(features.makers(softmax)), {softmax}
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op_type in NORMS:
            continue  # kept anyway, and what it sums is a layer's
        if node.op_type in PRODUCTS_AND_EINSUM:
            operands = features.of(node)
            if len(operands) > 1:
                if not all(is_normalised(value) for value in operands):
                    yield node
                continue
            if not _joins_scores(node):
                continue  # a layer of its own
        yield node
        waiting += features.makers(node)


def is_normalised(value: ir.Value | None) -> bool:
    """Whether a value is proven to hold vectors divided by norms as large as theirs: none of its numbers exceeds 1."""
    node = value.producer() if value is not None else None
    if node is None:
        return False
    if node.op_type == "Concat":
        return all(is_normalised(operand) for operand in node.inputs)
    if node.op_type in MOVES and _pads_with_zeros(node):
        return is_normalised(node.inputs[0])
    return node.op_type == "Div" and _is_norm(node.inputs[1], node.inputs[0])


def _pads_with_zeros(node: ir.Node) -> bool:
    filling = constant(node.inputs[2]) if node.op_type == "Pad" and len(node.inputs) > 2 else None
    return filling is None or not filling.any()


def _is_norm(value: ir.Value | None, vectors: ir.Value | None) -> bool:
    """Whether a value is at least the norm of these vectors, taken along any axes."""
    node = value.producer() if value is not None else None
    if node is None:
        return False
    if node.op_type == "ReduceL2":
        return node.inputs[0] is vectors
    if node.op_type == "Sqrt":
        return _is_sum_of_squares(node.inputs[0], vectors)
    if node.op_type == "Clip":
        return (len(node.inputs) < 3 or node.inputs[2] is None) and _is_norm(node.inputs[0], vectors)
    if node.op_type == "ReduceMax":
        return _is_norm(node.inputs[0], vectors)
    if node.op_type == "Max":
        return any(_is_norm(operand, vectors) for operand in node.inputs)
    return node.op_type in MOVES and _is_norm(node.inputs[0], vectors)


def _is_sum_of_squares(value: ir.Value | None, vectors: ir.Value | None) -> bool:
    reduction = value.producer() if value is not None else None
    if reduction is None or reduction.op_type not in ("ReduceSum", "ReduceSumSquare"):
        return False
    if reduction.op_type == "ReduceSumSquare":
        return reduction.inputs[0] is vectors
    square = reduction.inputs[0].producer() if reduction.inputs[0] is not None else None
    if square is None:
        return False
    if square.op_type == "Mul":
        return square.inputs[0] is vectors and square.inputs[1] is vectors
    power = constant(square.inputs[1]) if square.op_type == "Pow" else None
    return power is not None and bool((power == 2).all()) and square.inputs[0] is vectors


def _joins_scores(node: ir.Node) -> bool:
    """Whether this is a convolution of one channel with constant weights."""
    weight = constant(node.inputs[1]) if node.op_type == "Conv" else None
    return weight is not None and weight.ndim == 4 and weight.shape[:2] == (1, 1)


def _squares(reduction: ir.Node, features: _Features) -> Iterator[ir.Node]:
    for node in features.makers(reduction):
        operands = features.of(node)
        if node.op_type in SQUARES and len(set(operands)) == 1:
            yield node


def _applications(reduction: ir.Node, features: _Features) -> Iterator[ir.Node]:
    """What is made of a norm and of nothing else, and the node that applies it to features."""
    norms = set(reduction.outputs)
    waiting = list(reduction.outputs)
    while waiting:
        for node, _ in waiting.pop().uses():
            if node.op_type not in OF_NORMS or not features.reach(node):
                continue
            yield node
            if all(value in norms for value in features.of(node)) and not set(node.outputs) <= norms:
                norms.update(node.outputs)
                waiting += node.outputs


def _between(node: ir.Node, kept: dict[ir.Node, str], features: _Features) -> bool:
    """Whether all users of a node are kept, and a kept node is where its values come from."""
    users = [use.node for value in node.outputs for use in value.uses()]
    if not users or any(user not in kept for user in users):
        return False
    waiting = list(features.makers(node))
    while waiting:
        maker = waiting.pop()
        if maker in kept:
            return True
        if maker.op_type in MOVES:
            waiting += features.makers(maker)
    return False

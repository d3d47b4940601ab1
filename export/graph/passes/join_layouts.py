"""Moves that undo each other, removed: transposes, reshapes, and complex numbers taken apart and put together again.

::

    transpose(transpose(x))                     =  one transpose, or x
    reshape(reshape(x))                         =  one reshape, or x
    stack(z.real, z.imag)                       =  z                            of complex numbers [.., 2]
    transpose(stack(a, b))                      =  stack(a, b) along another axis
    transpose(x)[.., i]                         =  a slice of x, transposed
    squeeze(unsqueeze(x)), x[0:1] of one        =  x

`stack(a, b)` is a Concat of two values that each got a last axis of one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..ir_tools import add_constant, constant, insert_before, replace_output

Dimension: TypeAlias = "int | ir.SymbolicDim"

MOST_ROUNDS = 50
"""More rounds than any chain of moves is long."""


def dimensions(value: ir.Value) -> list[Dimension]:
    """The sizes of a value whose rank is known."""
    assert value.shape is not None
    return list(value.shape)


def twice(size: Dimension) -> Dimension:
    """Twice a size."""
    return 2 * size if isinstance(size, int) else ir.SymbolicDim(f"2*({size})")


def halved(size: Dimension) -> Dimension:
    """The inverse of `twice`."""
    if isinstance(size, int):
        return size // 2
    text = str(size)
    return ir.SymbolicDim(text[3:-1] if text.startswith("2*(") and text.endswith(")") else f"({text})/2")


def reshape_to(value: ir.Value, shape: Sequence[Dimension], anchor: ir.Node) -> ir.Value:
    """`value` in another shape, before `anchor`; sizes that are not numbers must be sizes of `value`, but for one."""
    graph = anchor.graph
    assert isinstance(graph, ir.Graph)
    there = [str(size) for size in dimensions(value)]
    pieces: list[ir.Value | None] = []
    inferred = False
    for size in shape:
        if isinstance(size, int):
            pieces.append(add_constant(graph, "size", np.array([size], np.int64)))
        elif str(size) in there:
            axis = there.index(str(size))
            attributes = {"start": axis, "end": axis + 1}
            pieces.append(insert_before(anchor, "Shape", [value], attributes, dtype=ir.DataType.INT64))
        else:
            assert not inferred, "two sizes that follow from nothing"
            inferred = True
            pieces.append(add_constant(graph, "size", np.array([-1], np.int64)))
    if all(piece is not None and piece.producer() is None for piece in pieces):
        numbers = [size if isinstance(size, int) else -1 for size in shape]
        target = add_constant(graph, "shape", np.array(numbers, np.int64))
    else:
        target = insert_before(anchor, "Concat", pieces, {"axis": 0}, dtype=ir.DataType.INT64)
    reshaped = insert_before(anchor, "Reshape", [value, target], dtype=value.dtype)
    reshaped.shape = ir.Shape(shape)
    return reshaped


def join_layouts(graph: ir.Graph) -> None:
    """Remove, in place, what the module names."""
    # Pairs first: once one of its halves is taken elsewhere, a pair is no longer seen to be one.
    _apply({"Concat": _pair}, graph)
    moves = {
        "Gather": _taken_of_transpose, "Reshape": _reshape, "Slice": _slice, "Squeeze": _squeeze,
        "Transpose": _transpose,
    }  # fmt: skip
    for _ in range(MOST_ROUNDS):
        if not _apply(moves, graph):
            return


def _apply(rules: Mapping[str, Callable[[ir.Node], ir.Value | None]], graph: ir.Graph) -> bool:
    """Replace what a rule has something simpler for, once through the graph; whether there was anything."""
    changed = False
    for node in list(graph):
        rule = rules.get(node.op_type)
        new = rule(node) if rule is not None and not node.domain and not node.outputs[0].is_graph_output() else None
        if new is not None:
            replace_output(node.outputs[0], new)
            graph.remove(node, safe=True)
            changed = True
    return changed


def _maker(value: ir.Value | None, op: str) -> ir.Node | None:
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type == op and not node.domain else None


def _parts(node: ir.Node) -> tuple[ir.Value, ir.Value] | None:
    """What a Concat puts side by side along a new last axis, if these are two."""
    shape = node.outputs[0].shape
    if len(node.inputs) != 2 or shape is None:
        return None
    rank = len(shape)
    if node.attributes["axis"].as_int() % rank != rank - 1:
        return None
    parts = []
    for value in node.inputs:
        widened = _maker(value, "Unsqueeze")
        axes = constant(widened.inputs[1]) if widened is not None else None
        if widened is None or axes is None or [int(axis) % rank for axis in axes.reshape(-1)] != [rank - 1]:
            return None
        part = widened.inputs[0]
        expanded = _maker(part, "Expand")
        # The exporter expands both to their common shape; they have one where one value was taken apart.
        parts.append(expanded.inputs[0] if expanded is not None else part)
    first, second = parts
    return (first, second) if first is not None and second is not None else None


def _taken(value: ir.Value) -> tuple[ir.Value, int] | None:
    """Of which value, and which number of its last axis, `value` is."""
    node = _maker(value, "Gather")
    index = constant(node.inputs[1]) if node is not None else None
    source = node.inputs[0] if node is not None else None
    if node is None or index is None or index.ndim or source is None or source.shape is None:
        return None
    rank = len(source.shape)
    if node.attributes["axis"].as_int() % rank != rank - 1 or source.shape[rank - 1] != 2:
        return None
    return source, int(index) % 2


def _pair(node: ir.Node) -> ir.Value | None:
    parts = _parts(node)
    if parts is None:
        return None
    real, imaginary = (_taken(part) for part in parts)
    if real is None or imaginary is None or real[0] is not imaginary[0]:
        return None
    return real[0] if (real[1], imaginary[1]) == (0, 1) else None


def _order(node: ir.Node) -> list[int]:
    return [int(axis) for axis in node.attributes["perm"].as_ints()]


def _transpose(node: ir.Node) -> ir.Value | None:
    source = node.inputs[0]
    if "perm" not in node.attributes or source is None:
        return None
    order = _order(node)
    if order == sorted(order):
        return source
    inner = _maker(source, "Transpose")
    if inner is not None and "perm" in inner.attributes:
        below = _order(inner)
        attributes = {"perm": [below[axis] for axis in order]}
        return insert_before(node, "Transpose", [inner.inputs[0]], attributes, like=node.outputs[0])
    joined = _maker(source, "Concat")
    parts = _parts(joined) if joined is not None else None
    last = len(order) - 1
    place = order.index(last)
    if parts is None or [axis for axis in order if axis != last] != list(range(last)):
        return None
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    axes = add_constant(graph, "axes", np.array([place], np.int64))
    widened = []
    for part in joined.inputs if joined is not None else ():
        assert part is not None
        unsqueezed = _maker(part, "Unsqueeze")
        assert unsqueezed is not None
        value = insert_before(node, "Unsqueeze", [unsqueezed.inputs[0], axes], dtype=node.outputs[0].dtype)
        sizes = list(part.shape)[:-1] if part.shape is not None else None
        value.shape = None if sizes is None else ir.Shape([*sizes[:place], 1, *sizes[place:]])
        widened.append(value)
    return insert_before(node, "Concat", list(widened), {"axis": place}, like=node.outputs[0])


def _taken_of_transpose(node: ir.Node) -> ir.Value | None:
    """`transpose(x)[.., i]`: the slice is taken first, and less is transposed."""
    index, turned = constant(node.inputs[1]), _maker(node.inputs[0], "Transpose")
    if index is None or index.ndim or turned is None or "perm" not in turned.attributes:
        return None
    order = _order(turned)
    axis = node.attributes["axis"].as_int() % len(order) if "axis" in node.attributes else 0
    gone = order[axis]
    rest = [place - (place > gone) for place in order if place != gone]
    taken = insert_before(
        node, "Gather", [turned.inputs[0], node.inputs[1]], {"axis": gone}, dtype=node.outputs[0].dtype
    )
    source = turned.inputs[0]
    if source is not None and source.shape is not None:
        taken.shape = ir.Shape([size for place, size in enumerate(source.shape) if place != gone])
    return insert_before(node, "Transpose", [taken], {"perm": rest}, like=node.outputs[0])


def _reshape(node: ir.Node) -> ir.Value | None:
    source, result = node.inputs[0], node.outputs[0]
    if source is None:
        return None
    if _is_same_shape(source.shape, result.shape):
        return source
    inner = _maker(source, "Reshape")
    target = constant(node.inputs[1])
    copies = not ("allowzero" in node.attributes and node.attributes["allowzero"].as_int())
    if inner is None or (copies and (target is None or not target.all()) and not _own_target(node)):
        return None
    attributes = dict(node.attributes)
    return insert_before(node, "Reshape", [inner.inputs[0], node.inputs[1]], attributes, like=result)


def _own_target(node: ir.Node) -> bool:
    """Whether the shape is put together of sizes, none of which is 0 for "as it was"."""
    joined = _maker(node.inputs[1], "Concat")
    if joined is None:
        return False
    numbers = [constant(piece) for piece in joined.inputs]
    return all(number is None or number.all() for number in numbers)


def _is_same_shape(first: ir.Shape | None, second: ir.Shape | None) -> bool:
    if first is None or second is None or len(first) != len(second):
        return False
    sizes = [*first, *second]
    named = all(isinstance(size, int) or size.value is not None for size in sizes)
    return named and list(first) == list(second)


def _squeeze(node: ir.Node) -> ir.Value | None:
    widened = _maker(node.inputs[0], "Unsqueeze")
    rank = len(node.inputs[0].shape) if node.inputs[0] is not None and node.inputs[0].shape is not None else None
    if widened is None or rank is None or len(node.inputs) < 2:
        return None
    axes = [constant(value) for value in (node.inputs[1], widened.inputs[1])]
    if axes[0] is None or axes[1] is None:
        return None
    places = [sorted(int(axis) % rank for axis in array.reshape(-1)) for array in axes if array is not None]
    return widened.inputs[0] if places[0] == places[1] else None


def _slice(node: ir.Node) -> ir.Value | None:
    """The first of one."""
    source = node.inputs[0]
    numbers = [constant(value) for value in node.inputs[1:4]]
    if source is None or source.shape is None or len(node.inputs) != 4 or any(array is None for array in numbers):
        return None
    start, end, axis = (int(array.reshape(-1)[0]) for array in numbers if array is not None and array.size == 1)
    return source if source.shape[axis] == 1 and (start, end) == (0, 1) else None

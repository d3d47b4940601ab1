"""Mask sums in FP16 where FP16 holds every value that they can have.

A window sum counts: its values are 0, s, 2 s, .. up to n s, which FP16 holds exactly up to n = 2048 whatever the power
of two in s. So nothing is rounded, and the planes that go through a GPU's memory have half the bytes. Ratios stay FP32:
they are no integers. For FP16 graphs only: ONNX Runtime's CPU computes FP16 as FP32 with a cast around each node.
"""

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import Array, add_constant, constant, infer_types, insert_before, remove_unused
from ..report import PassReport

COUNTING = frozenset({"Add", "Clip", "Conv", "Max", "Min", "Mul", "Resize", "Sub"})
"""Operators that masks are counted with, and whose FP16 result is exact where the result fits."""

FLOAT, HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def narrow_mask_sums(model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Compute exact FP32 sums of the mask path in FP16, in a copy of `model`."""
    model = infer_types(model)
    report = PassReport("narrow_mask_sums")
    masks = analyse_mask_path(model)
    chosen = [node for node in model.graph if _is_exact(node, masks)]
    narrowed = dict.fromkeys(node.outputs[0] for node in chosen)  # no set: the order of casts is that of the graph
    casts: dict[ir.Value, ir.Value] = {}
    for node in chosen:
        report.change(node)
        for index, value in enumerate(node.inputs):
            if value is not None and value.dtype == FLOAT and not (node.op_type == "Resize" and index):
                if value not in narrowed and value not in casts:
                    casts[value] = _as_fp16(model.graph, node, value)
                node.replace_input_with(index, casts.get(value, value))
        node.outputs[0].type = ir.TensorType(HALF)
    for value in narrowed:
        _widen(value, {node for node in chosen if value in node.inputs})
    return remove_unused(model), report


def _is_exact(node: ir.Node, masks: MaskPath) -> bool:
    """Whether FP16 holds all that a node of the mask path reads and gives."""
    result = node.outputs[0]
    if node.domain or node.op_type not in COUNTING or result not in masks.mask_only or result.is_graph_output():
        return False
    read = [value for value in node.inputs if value is not None and value.dtype == FLOAT]
    for value in (*read[:1], result) if node.op_type == "Resize" else (*read, result):
        array = constant(value)
        if value.dtype != FLOAT or not (_values_fit(value, masks) if array is None else _fits(array)):
            return False
    # Of a sum in any order, each part is one of its values where nothing is subtracted on the way.
    parts = [array for value in node.inputs[1:] if (array := constant(value)) is not None]
    return node.op_type != "Conv" or (len(parts) > 0 and not any((array < 0).any() for array in parts))


def _values_fit(value: ir.Value, masks: MaskPath) -> bool:
    table = masks.tables.get(value)
    return table is not None and table.complete and bool((table.values >= 0).all()) and _fits(table.values)


def _fits(array: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float16).astype(array.dtype) == array).all())


def _as_fp16(graph: ir.Graph, node: ir.Node, value: ir.Value) -> ir.Value:
    array = constant(value)
    if array is not None:
        return add_constant(graph, f"{value.name}_exact", array.astype(np.float16))
    return insert_before(node, "Cast", [value], {"to": HALF}, like=value, dtype=HALF)


def _widen(value: ir.Value, narrow: set[ir.Node]) -> None:
    """FP32 for those users of a narrowed value that are not among `narrow`; a cast to FP16 is no longer needed."""
    wide: ir.Value | None = None
    for user, index in list(value.uses()):
        if user in narrow or user.op_type in ("Cast", "Shape"):
            continue
        if wide is None:
            wide = insert_before(user, "Cast", [value], {"to": FLOAT}, like=value, dtype=FLOAT)
        user.replace_input_with(index, wide)
    for user, _ in list(value.uses()):
        if user.op_type == "Cast" and user.attributes["to"].as_int() == HALF:
            ir.convenience.replace_all_uses_with(user.outputs[0], value)

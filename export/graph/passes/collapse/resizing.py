"""Resize over narrow masks: its sizes may name the number of channels, which is then another."""

import numpy as np
import onnx_ir as ir

from ...ir_tools import add_constant, constant, insert_before


def resizes_places(graph: ir.Graph, node: ir.Node, inputs: list[ir.Value | None], count: int) -> bool:
    """Whether a Resize keeps its channels; sizes, which name their number, become those for `count` channels.

    Args:
        graph: that the Resize is in.
        node: the Resize.
        inputs: of the narrow Resize; its sizes are replaced in place.
        count: channels of the narrow value.
    """
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is not None and scales.size:
        return scales.size == 4 and scales.reshape(-1)[1] == 1
    if len(node.inputs) < 4 or "axes" in node.attributes:
        return "axes" in node.attributes and 1 not in node.attributes["axes"].as_ints()
    sizes = node.inputs[3]
    array, joined = constant(sizes), sizes.producer() if sizes is not None else None
    number = np.array([count], dtype=np.int64)
    if array is not None and array.size == 4:
        fixed = np.concatenate([array[:1], number, array[2:]]).astype(np.int64)
        inputs[3] = add_constant(graph, "sizes", fixed)
        return True
    if joined is None or sizes is None:
        return False
    limits = [add_constant(graph, f"axis_{axis}", np.array([axis], np.int64)) for axis in (0, 1, 2, 4)]
    batch = insert_before(node, "Slice", [sizes, limits[0], limits[1]], dtype=sizes.dtype)
    places = insert_before(node, "Slice", [sizes, limits[2], limits[3]], dtype=sizes.dtype)
    parts: list[ir.Value | None] = [batch, add_constant(graph, "channels", number), places]
    inputs[3] = insert_before(node, "Concat", parts, {"axis": 0}, like=sizes)
    return True

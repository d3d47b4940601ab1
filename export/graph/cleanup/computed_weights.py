"""Weights that the graph computes of constants, as constants, however large they are.

Equalised learning rate multiplies each weight by a number when the network is called, standardised weights are divided
by their deviation. The general folder skips large operands, so that no file grows; these results are as large as
their operands, and without them neither batch norm nor a gain can be folded, and FP16 files hold FP32 weights.
"""

import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from ..ir_tools import add_constant, constant, replace_output
from ..operators import OF_WEIGHTS


def fold_computed_weights(graph: ir.Graph) -> None:
    """Replace, in place, what is computed of constants and no larger than the largest of them."""
    for node in list(graph):
        if node.op_type not in OF_WEIGHTS or node.domain or len(node.outputs) != 1:
            continue
        arrays = {str(value.name): constant(value) for value in node.inputs if value is not None}
        if not arrays or any(array is None for array in arrays.values()) or node.outputs[0].is_graph_output():
            continue
        sizes = {name: array.size for name, array in arrays.items() if array is not None}
        result = ReferenceEvaluator(ir.to_proto(node)).run(None, arrays)[0]
        if result.size <= max(sizes.values()):
            name = f"{max(sizes, key=sizes.__getitem__)}_computed"
            replace_output(node.outputs[0], add_constant(graph, name, result))
            graph.remove(node, safe=True)

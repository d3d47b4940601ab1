"""Clean-up of the raw trace: constants folded, duplicates and dead nodes removed, Min over Max written as Clip.

The trace is made without the exporter's own optimisation, because that drops `+ 1e-8` as an addition of zero and so
makes many partial convolutions divide 0 by 0. Only rules that change no value are applied here.
"""

import onnx_ir as ir
import onnxscript.optimizer
import onnxscript.rewriter
from onnx_ir.passes import common
from onnxscript.rewriter.rules.common import max_min_rule

from .ir_tools import constant, replace_output

PASSES: tuple[type[ir.passes.InPlacePass], ...] = (
    common.CommonSubexpressionEliminationPass,
    common.IdentityEliminationPass,
    common.RemoveUnusedNodesPass,
    common.LiftConstantsToInitializersPass,
)


def clean_up(model: ir.Model) -> ir.Model:
    """A copy of `model` that computes the same with fewer nodes, its types and shapes inferred."""
    model = model.clone()
    onnxscript.optimizer.fold_constants(model)
    for cleaning in PASSES:
        cleaning()(model)
    drop_zero_terms(model.graph)
    onnxscript.rewriter.rewrite(model, pattern_rewrite_rules=[max_min_rule])
    return remove_unused(infer_types(model))


def remove_unused(model: ir.Model) -> ir.Model:
    """A copy of `model` without nodes and initializers that nothing uses."""
    return common.RemoveUnusedNodesPass()(model.clone()).model


def drop_zero_terms(graph: ir.Graph) -> None:
    """Remove `x + 0` and `x - 0`, in place, where the zero is exact and does not enlarge x.

    ONNX Runtime (1.31) makes an invalid model of a convolution, minus zero, times something.
    """
    for node in list(graph):
        for kept, dropped in {"Add": ((0, 1), (1, 0)), "Sub": ((0, 1),)}.get(node.op_type, ()):
            value, zero = node.inputs[kept], constant(node.inputs[dropped])
            if value is None or zero is None or zero.any() or value.shape is None or value.is_graph_input():
                continue
            if (zero.size == 1 and zero.ndim <= len(value.shape)) or value.shape == node.outputs[0].shape:
                replace_output(node.outputs[0], value)
                graph.remove(node, safe=True)
                break


def infer_types(model: ir.Model) -> ir.Model:
    """A copy of `model` in which types and shapes are filled in where they can be inferred."""
    return common.ShapeInferencePass()(model.clone()).model

r"""Products of features with the mask path, gathered into one product with one ratio.

1. A division of features by the mask path becomes a product, `z / s = z * (1 / s)`: the quotient is on the mask path.
2. Factors of the mask path, and numbers, are gathered, `(z * w) * r * m = z * (w * r * m)`: a ratio that is huge
   where the updated mask is zero meets that zero on the mask path, in FP32, before it meets a feature.
3. A choice between such a product and zero becomes a factor as well, `where(m, z * r, 0) = z * where(m, r, 0)`: the
   choice is made for one plane and not for every feature.
4. A ratio that FP16 does not hold where nothing is known, and that is masked only later, is masked at once as well:
   `g(z * r) * m = g(z * (r * m)) * m` for a mask `m` of zeros and ones and a pointwise `g`.
"""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from ..analysis.intervals import fits_fp16
from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import add_constant, constant, insert_before, insert_pointwise, only_use, replace_output
from ..operators import POINTWISE_BEFORE_MASKING


def combine_mask_factors(model: ir.Model) -> ir.Model:
    """A copy of `model` in which features meet the mask path in as few products as possible."""
    model = model.clone()
    graph = model.graph
    for step in (_divisions_to_products, _gather_factors, _choices_to_products, _gather_factors, _mask_at_once):
        step(graph, analyse_mask_path(model))
    graph.sort()  # a mask may have been made after the product that it is moved into
    return model


def _divisions_to_products(graph: ir.Graph, mask_path: MaskPath) -> None:
    for node in list(graph):
        if node.op_type != "Div" or node.inputs[1] not in mask_path.mask_only:
            continue
        if node.inputs[0] in mask_path.image_dependent:
            one = add_constant(graph, "one", np.array(1, dtype=np.float32))
            quotient = insert_before(node, "Div", [one, node.inputs[1]], like=node.inputs[1])
            product = insert_before(node, "Mul", [node.inputs[0], quotient], like=node.outputs[0])
            replace_output(node.outputs[0], product)
            graph.remove(node, safe=True)


def _gather_factors(graph: ir.Graph, mask_path: MaskPath) -> None:
    """`(z * r) * m` to `z * (r * m)`, from the outermost product inwards; one of `r` and `m` may be a number."""
    for node in reversed(list(graph)):
        while node.op_type == "Mul" and node.graph is not None:
            feature, factor = _factors(node, mask_path)
            inner = only_use(feature, "Mul")
            if factor is None or inner is None:
                break
            source, inner_factor = _factors(inner, mask_path)
            if source is None or inner_factor is None or {factor, inner_factor}.isdisjoint(mask_path.mask_only):
                break
            gathered = insert_pointwise(node, "Mul", [inner_factor, factor], inner_factor)
            mask_path = mask_path.with_mask_value(gathered)
            node.replace_input_with(0, source)
            node.replace_input_with(1, gathered)
            graph.remove(inner, safe=True)


def _factors(node: ir.Node, mask_path: MaskPath) -> tuple[ir.Value | None, ir.Value | None]:
    """The feature of a product, and its factor if that is of the mask path or one number."""
    feature, factor = operands_of_product(node, mask_path)
    if feature is not None and factor is None:
        other = node.inputs[1] if node.inputs[0] is feature else node.inputs[0]
        array = constant(other)
        factor = other if array is not None and array.size == 1 and array.ndim <= 4 else None
    return feature, factor


def _choices_to_products(graph: ir.Graph, mask_path: MaskPath) -> None:
    """`where(c, z * r, 0)` to `z * where(c, r, 0)` for a condition of the mask path, from the innermost outwards."""
    for node in list(graph):
        if node.op_type != "Where":
            continue
        for value, condition, kept in _maskings(node, mask_path):
            product = only_use(value, "Mul")
            feature, ratio = operands_of_product(product, mask_path) if product is not None else (None, None)
            if product is None or feature is None or ratio is None or feature.shape != node.outputs[0].shape:
                continue
            chosen = _choose(graph, node, condition, ratio, kept)
            mask_path = mask_path.with_mask_value(chosen)
            replace_output(node.outputs[0], insert_before(node, "Mul", [feature, chosen], like=node.outputs[0]))
            graph.remove([node, product], safe=True)
            break


def _mask_at_once(graph: ir.Graph, mask_path: MaskPath) -> None:
    for node in list(graph):
        if node.outputs[0] not in mask_path.image_dependent:
            continue
        for feature, mask, kept in _maskings(node, mask_path):
            product = _unbounded_product(feature, mask_path)
            _, ratio = operands_of_product(product, mask_path) if product is not None else (None, None)
            if product is None or ratio is None:
                continue
            masked = _choose(graph, product, mask, ratio, kept) if kept else None
            masked = masked or insert_pointwise(product, "Mul", [ratio, mask], ratio)
            product.replace_input_with(1 if product.inputs[1] is ratio else 0, masked)


def _choose(graph: ir.Graph, anchor: ir.Node, condition: ir.Value, ratio: ir.Value, kept: int) -> ir.Value:
    """`where(condition, ratio, 0)`, or with `kept` 2 `where(condition, 0, ratio)`, before `anchor`."""
    zero = add_constant(graph, "zero", np.array(0, dtype=np.float32))
    inputs: list[ir.Value | None] = [condition, ratio, zero] if kept == 1 else [condition, zero, ratio]
    return insert_pointwise(anchor, "Where", inputs, ratio)


def _maskings(node: ir.Node, mask_path: MaskPath) -> Iterator[tuple[ir.Value, ir.Value, int]]:
    """Features that a node sets to zero, the mask it does so by, and which branch of a choice they are (0: none)."""
    if node.op_type == "Mul":
        feature, mask = operands_of_product(node, mask_path)
        table = mask_path.tables.get(mask) if mask is not None else None
        if feature is not None and mask is not None and table is not None and set(table.values.tolist()) <= {0, 1}:
            yield feature, mask, 0
    elif node.op_type == "Where" and node.inputs[0] in mask_path.mask_only:
        for kept, other in ((1, 2), (2, 1)):
            condition, feature, zero = node.inputs[0], node.inputs[kept], constant(node.inputs[other])
            if condition is not None and feature is not None and zero is not None and not zero.any():
                yield feature, condition, kept


def _unbounded_product(value: ir.Value | None, mask_path: MaskPath) -> ir.Node | None:
    """The product with a ratio that FP16 does not hold, of which `value` is a pointwise function and the only use."""
    for op in POINTWISE_BEFORE_MASKING:
        if (node := only_use(value, op)) is not None:
            features = [operand for operand in node.inputs if operand in mask_path.image_dependent]
            return _unbounded_product(features[0], mask_path) if len(features) == 1 else None
    product = only_use(value, "Mul")
    if product is None:
        return None
    feature, ratio = operands_of_product(product, mask_path)
    if feature is None or ratio is None:
        return None
    return None if fits_fp16(mask_path.ranges[ratio]) else product


def operands_of_product(node: ir.Node, mask_path: MaskPath) -> tuple[ir.Value | None, ir.Value | None]:
    """The feature and the mask-path operand of a product; None for either that it has not."""
    feature = [value for value in node.inputs if value in mask_path.image_dependent]
    masks = [value for value in node.inputs if value in mask_path.mask_only]
    return (feature[0] if len(feature) == 1 else None), (masks[0] if len(masks) == 1 else None)

r"""Headroom: FP16 features scaled down by a power of two, exactly undone at the end.

Partial convolution multiplies what little it knows by up to the window size, layer after layer: with one known pixel
the features of an 8-layer U-Net grow by 1e5 and leave the FP16 range, although no mask sum does. Most such networks are
positively homogeneous in their image and additive constants together (convolution, ReLU, pooling, resampling,
concatenation, products with the mask path), so for any `k > 0`::

    network(k * image; k * constants)  =  k * network(image; constants)

Multiplying by a power of two rounds nothing, but what becomes subnormal loses digits, so the factor is no smaller than
the network needs: its largest feature, probed with the masks that magnify most (`feature_peak`), gets a margin of
`MARGIN`. A network that stays small gets no headroom. The mask path is not touched.
"""

import math

import numpy as np
import onnx_ir as ir

from ..analysis.homogeneous import added_operands, reason_against
from ..analysis.intervals import LARGEST_FP16
from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import add_constant, constant, insert_before
from ..report import PassReport

MARGIN = 64.0
"""How much larger than any probed feature a feature may become: images and masks differ from the probed ones."""

SMALLEST_SCALE = 2.0**-12
"""No more headroom than this: ordinary features near 1 would lose digits."""

UNDONE = "output_without_headroom"
"""Name of the node that undoes the factor, which must stay FP32."""


def scale_for(peak: float) -> float:
    """The power of two that features are multiplied by if the largest probed one is `peak`; 1 for no headroom."""
    if not math.isfinite(peak):
        return SMALLEST_SCALE
    excess = peak * MARGIN / LARGEST_FP16
    return 1.0 if excess <= 1 else max(2.0 ** -math.ceil(math.log2(excess)), SMALLEST_SCALE)


def add_headroom(model: ir.Model, scale: float) -> tuple[ir.Model, PassReport]:
    """Scale the feature path of a copy of `model` (inputs by name, first output `output`) by a power of two.

    A network that is not homogeneous, or that needs no headroom (`scale` 1), is returned as it is; the report says
    which node is why.
    """
    report = PassReport("headroom")
    model = model.clone()
    if scale == 1:
        return model, report
    graph = model.graph
    mask_path = analyse_mask_path(model)
    features = [node for node in graph if any(value in mask_path.image_dependent for value in node.outputs)]
    for node in features:
        reason = reason_against(node, mask_path.image_dependent)
        if reason is not None:
            report.refuse(node, reason)
            return model, report
    output = graph.outputs[0]
    if output.producer() not in features:
        return model, report  # no network between image and output
    scaling = _Scaling(graph, mask_path, scale)
    for node in features:
        scaling.scale_constants(node)
    for image in [value for value in graph.inputs if value in mask_path.image_dependent]:  # and the sketch
        users = [(user, index) for user, index in image.uses() if user in features]  # its shape does not change
        name = f"{image.name}_with_headroom"
        scaled = insert_before(features[0], "Mul", [image, scaling.factor], like=image, name=name)
        for user, index in users:
            user.replace_input_with(index, scaled)
    inverse = add_constant(graph, "headroom_inverse", np.array(1 / scale, dtype=np.float32))
    undo = ir.node("Mul", [output, inverse], num_outputs=1, name=UNDONE)
    undo.outputs[0].type, undo.outputs[0].shape = output.type, output.shape
    graph.append(undo)
    graph.outputs[0] = undo.outputs[0]
    output.name, undo.outputs[0].name = "output_with_headroom", "output"
    report.change(undo)
    return model, report


class _Scaling:
    """Gives the factor to whatever is added to features, once for each value."""

    def __init__(self, graph: ir.Graph, mask_path: MaskPath, scale: float):
        self.graph = graph
        self.mask_path = mask_path
        self.scale = scale
        self.factor = add_constant(graph, "headroom", np.array(scale, dtype=np.float32))
        self.scaled: dict[ir.Value, ir.Value] = {}

    def scale_constants(self, node: ir.Node) -> None:
        for index in added_operands(node):
            value = node.inputs[index]
            if value is not None and value not in self.mask_path.image_dependent:
                node.replace_input_with(index, self._scale(node, value))

    def _scale(self, user: ir.Node, value: ir.Value) -> ir.Value:
        if value not in self.scaled:
            array = constant(value)
            if array is not None:
                name = f"{value.name}_with_headroom"
                self.scaled[value] = add_constant(self.graph, name, (array * self.scale).astype(array.dtype))
            elif (product := _product_with_constant(value)) is not None:
                # A bias for each channel times a plane: the bias takes the factor, and nothing wide is computed twice.
                bias, plane = product
                operands: list[ir.Value | None] = [self._scale(user, bias), plane]
                self.scaled[value] = insert_before(user, "Mul", operands, like=value)
            else:
                self.scaled[value] = insert_before(user, "Mul", [value, self.factor], like=value)
        return self.scaled[value]


def _product_with_constant(value: ir.Value) -> tuple[ir.Value, ir.Value] | None:
    """The constant and the other factor that `value` is the product of."""
    node = value.producer()
    if node is None or node.op_type != "Mul":
        return None
    for factor, other in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        if factor is not None and other is not None and constant(factor) is not None:
            return factor, other
    return None

"""The strongly typed FP16 graph: features in FP16, the mask path in FP32, explicit casts where they meet.

TensorRT 11 takes the types from the graph, so the graph must carry them. A node is computed in FP16 if an image value
reaches it, unless that is not safe:

* its operator sums over many values or grows exponentially (`FP32_ONLY`), or it belongs to one that does
  (`fp32_nodes.py`);
* one of its constants does not fit: larger than 65504, or a scalar that becomes zero, as an epsilon does;
* its operand is unbounded: multiplied by a value of the mask path that is not proven to fit FP16, such as a ratio with
  an epsilon, and not yet masked again (products are in the form that `normalise_mask_ratio` gives them);
* a ratio that is small where everything is known, such as one divided by the window, multiplies its result: before
  that product the result may be too large for FP16, unless `normalise_mask_ratio` could move the factor into weights;
* it turns features into integers, whose value a rounding would change;
* what it makes or reads became too large in probes, and headroom could not make it smaller;
* the user named it.

Everything else, the mask path above all, stays FP32: it is one channel wide, so that costs nothing, and integers up to
the window size, which FP16 does not hold, stay exact. A bias times a mask of zeros and ones is as wide as the features
and FP16 like them. An unbounded value that does enter FP16 is clipped before its
cast, so that no infinity can meet a zero in a hole.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from ..analysis.intervals import LARGEST_FP16, fits_fp16
from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..ir_tools import FLOATS, add_constant, constant, describe, insert_before, is_float, remove_unused
from ..operators import ARITHMETIC, COMPARISONS, FP32_ONLY, QUERIES
from ..passes.normalise_mask_ratio import ratio_where_all_is_known
from ..report import PassReport
from .fp32_nodes import fp32_nodes
from .headroom import UNDONE, add_headroom

SMALLEST = 6e-8
"""The smallest value that FP16 does not make zero."""

FLOAT32_INPUTS = {"Resize": (1, 2)}
"""Inputs that ONNX wants in FP32 whatever the type of the node."""


RANGE_MARGIN = 4.0
"""How much larger than in the probes a feature may become before it leaves FP16; headroom keeps more, at no cost.

Over the whole mask corpus, with black, white and random images, no feature of a partial-convolution U-Net or of a
recurrent network became more than 1.8 times as large as in the probes (`tests/export/graph/fp16/test_recurrent.py`).
Twice that is kept. More is not free: with 16, most of a network whose features reach 9e3 (CTSDG) is FP32.
"""


@dataclass
class Fp16Report:
    """Which nodes of the feature path stayed FP32, and why; which casts of the mask path are clipped; and headroom."""

    kept: list[tuple[str, str]] = field(default_factory=list)
    clipped: list[str] = field(default_factory=list)
    headroom: PassReport = field(default_factory=lambda: PassReport("headroom"))


def convert_to_fp16(
    model: ir.Model,
    keep_fp32: Sequence[str] = (),
    headroom: float = 1.0,
    peaks: Mapping[str, float] = MappingProxyType({}),
) -> tuple[ir.Model, Fp16Report]:
    """The FP16 form of a copy of `model`, with headroom where it can have it; inputs and outputs stay FP32.

    Args:
        model: with inputs `image` and `mask`, types inferred.
        keep_fp32: names or patterns (`*`) of nodes or of the values they make, to be left in FP32.
        headroom: the power of two that features are scaled by, see `headroom.py`; 1 for none.
        peaks: how large features became in probes, by name, see `feature_peak.py`. What headroom does not bring so far
            into the FP16 range that `RANGE_MARGIN` is left stays FP32.
    """
    model = model.clone()
    report = Fp16Report()
    model, report.headroom = add_headroom(model, headroom)
    scale = headroom if report.headroom.changed else 1.0
    peaks = {name: peak * scale for name, peak in peaks.items()}
    mask_path = analyse_mask_path(model)
    unbounded = _Unbounded(mask_path)
    must_stay = fp32_nodes(model.graph, mask_path)
    conversion = _Conversion(model.graph, unbounded, report)
    for node in list(model.graph):
        if not any(value in mask_path.image_dependent for value in node.outputs):
            if _spreads_a_mask(node, mask_path):
                conversion.to_fp16(node)
            continue
        if not any(is_float(value) for value in (*node.inputs, *node.outputs)):
            continue
        if node.name == UNDONE:
            conversion.keep(node)  # what it gives is the network's own range again
            continue
        reason = (
            unbounded.reason(node)
            or _reason_for_fp32(node, mask_path, keep_fp32)
            or must_stay.get(node)
            or _leaves_range(node, peaks)
        )
        if reason is None:
            conversion.to_fp16(node)
        else:
            report.kept.append((describe(node), reason))
            conversion.keep(node)
    conversion.finish_outputs()
    return remove_unused(model), report


def _leaves_range(node: ir.Node, peaks: Mapping[str, float]) -> str | None:
    """What a node makes or reads that became so large in probes that FP16 may not hold it."""
    for value in (*node.outputs, *node.inputs):
        peak = peaks.get(str(value.name), 0.0) if value is not None else 0.0
        if peak * RANGE_MARGIN > LARGEST_FP16:
            assert value is not None
            return f"{value.name} reaches {peak:.3g} in probes; FP16 ends at 65504, and {RANGE_MARGIN:g} times is kept"
    return None


def _spreads_a_mask(node: ir.Node, mask_path: MaskPath) -> bool:
    """Whether a node multiplies a bias for each channel by a plane of zeros and ones that only features use.

    Such a product is as wide as the features, and FP16 rounds it as it rounds the bias.
    """
    if node.op_type != "Mul" or not node.outputs[0].uses():
        return False
    for bias, plane in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        array = constant(bias)
        if array is not None and array.size > 1 and _unfit_constant(node) is None and plane in mask_path.tables:
            users = [use.node for use in node.outputs[0].uses()]
            for_features = all(any(value in mask_path.image_dependent for value in user.outputs) for user in users)
            return mask_path.holds_zeros_and_ones(plane) and for_features and not node.outputs[0].is_graph_output()
    return False


def _reason_for_fp32(node: ir.Node, mask_path: MaskPath, keep_fp32: Sequence[str]) -> str | None:
    names = [name for name in (node.name, *(value.name for value in node.outputs)) if name]
    for pattern in keep_fp32:
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            return f"--keep-fp32 {pattern}"
    if node.op_type in FP32_ONLY:
        return "sums or powers of features leave the FP16 range"
    graphs = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    if any(attribute.type in graphs for attribute in node.attributes.values()):
        return "it holds a graph of its own"
    if node.op_type == "Cast" and node.attributes["to"].as_int() not in FLOATS:
        return "it turns features into integers"
    return _unfit_constant(node) or _unsafe_numerator(node, mask_path)


def _unfit_constant(node: ir.Node) -> str | None:
    for value in node.inputs:
        array = constant(value)
        if array is None or array.dtype != np.float32 or array.size == 0:
            continue
        largest = float(np.abs(array).max())
        if not largest <= LARGEST_FP16:
            return f"its constant {value.name if value else ''} reaches {largest:g}"
        if array.size == 1 and 0 < largest < SMALLEST:
            return f"its constant {largest:g} is too small for FP16"
    return None


def _unsafe_numerator(node: ir.Node, mask_path: MaskPath) -> str | None:
    """What a ratio that is tiny where everything is known scales down may be as large as the ratio allows."""
    value = node.outputs[0]
    while len(users := [use.node for use in value.uses() if use.node.op_type not in QUERIES]) == 1:
        user = users[0]
        known = ratio_where_all_is_known(user, mask_path)
        if known is not None and known < 1:
            return f"its result is scaled down by the mask path in {describe(user)}, and may leave the FP16 range"
        if user.op_type not in ("Add", "Sub"):
            return None
        value = user.outputs[0]
    return None


class _Unbounded:
    """Values of the feature path that were multiplied by an unproven ratio and not masked again."""

    def __init__(self, mask_path: MaskPath):
        self.mask_path = mask_path
        self.values: set[ir.Value] = set()

    def fits(self, value: ir.Value) -> bool:
        """Whether FP16 holds all a value can be."""
        if value in self.values:
            return False
        if value not in self.mask_path.mask_only:
            return True
        return fits_fp16(self.mask_path.ranges[value])

    def reason(self, node: ir.Node) -> str | None:
        """Why a pointwise node with an unbounded operand must be FP32; notes whether its result is unbounded too."""
        unbounded = [value for value in node.inputs if value is not None and not self.fits(value)]
        if not unbounded or node.op_type not in ARITHMETIC | COMPARISONS:
            return None
        if node.op_type in ARITHMETIC and not self._masks(node):
            self.values.update(node.outputs)
        return f"{unbounded[0].name} is not proven to fit FP16"

    def _masks(self, node: ir.Node) -> bool:
        """Whether the node sets to zero or replaces what a bounded value of the mask path says."""
        deciding = {"Mul": list(node.inputs), "Where": [node.inputs[0]]}.get(node.op_type, [])
        return any(value in self.mask_path.mask_only and self.fits(value) for value in deciding if value is not None)


class _Conversion:
    """Types of one graph under conversion, with one cast for each value and direction."""

    def __init__(self, graph: ir.Graph, unbounded: _Unbounded, report: Fp16Report):
        self.graph = graph
        self.unbounded = unbounded
        self.report = report
        self.fp16: dict[ir.Value, ir.Value] = {}
        self.fp32: dict[ir.Value, ir.Value] = {}

    def to_fp16(self, node: ir.Node) -> None:
        for index, value in enumerate(node.inputs):
            if value is None or index in FLOAT32_INPUTS.get(node.op_type, ()):
                continue
            if value.dtype == ir.DataType.FLOAT:
                node.replace_input_with(index, self._as_fp16(node, value))
        if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT:
            node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT16)
        for output in node.outputs:
            if output.dtype == ir.DataType.FLOAT:
                output.type = ir.TensorType(ir.DataType.FLOAT16)

    def keep(self, node: ir.Node) -> None:
        for index, value in enumerate(node.inputs):
            if value is not None and value.dtype == ir.DataType.FLOAT16:
                node.replace_input_with(index, self._as_fp32(node, value))

    def finish_outputs(self) -> None:
        """Outputs of the graph are FP32, under their own names."""
        for index, value in enumerate(self.graph.outputs):
            if value.dtype == ir.DataType.FLOAT16:
                name = value.name
                value.name = f"{name}_fp16"
                node = ir.node("Cast", [value], {"to": ir.DataType.FLOAT}, num_outputs=1)
                node.outputs[0].name = name
                node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
                node.outputs[0].shape = value.shape
                self.graph.append(node)
                self.graph.outputs[index] = node.outputs[0]

    def _as_fp16(self, user: ir.Node, value: ir.Value) -> ir.Value:
        if value not in self.fp16:
            self.fp16[value] = self._make_fp16(user, value)
        return self.fp16[value]

    def _make_fp16(self, user: ir.Node, value: ir.Value) -> ir.Value:
        array = constant(value)
        if array is not None:
            return add_constant(self.graph, f"{value.name}_fp16", array.astype(np.float16))
        source = value
        if not self.unbounded.fits(value):
            self.report.clipped.append(str(value.name))
            numbers = (-LARGEST_FP16, LARGEST_FP16)
            limits = [add_constant(self.graph, "fp16_limit", np.array(number, np.float32)) for number in numbers]
            source = insert_before(user, "Clip", [value, *limits], like=value)
        return insert_before(
            user, "Cast", [source], {"to": ir.DataType.FLOAT16}, like=value, dtype=ir.DataType.FLOAT16,
            name=f"{value.name}_fp16",
        )  # fmt: skip

    def _as_fp32(self, user: ir.Node, value: ir.Value) -> ir.Value:
        if value not in self.fp32:
            self.fp32[value] = insert_before(
                user, "Cast", [value], {"to": ir.DataType.FLOAT}, like=value, dtype=ir.DataType.FLOAT,
                name=f"{value.name}_fp32",
            )  # fmt: skip
        return self.fp32[value]

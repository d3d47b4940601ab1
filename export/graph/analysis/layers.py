"""What was found of partial convolution in a graph, and what was done with it: a row for each convolution."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ..ir_tools import channels, constant, integers
from ..operators import BEFORE_CONVOLUTION, CONVOLUTIONS, QUERIES, WITHIN_LAYER
from .formula import formula_of
from .mask_path import MaskPath, analyse_mask_path, find_divisor

PREFIX, SUFFIX = "network.", ".weight"
"""Around the name of a layer in the name of its weight."""


@dataclass(frozen=True)
class LayerReport:
    """One convolution over features.

    Args:
        layer: its name in the network, from its weight.
        form: `partial` if its result is renormalised by a mask, `masked` if only its input is masked, else `ordinary`.
        window: its kernel, and what is not ordinary about it.
        mask: channels of the mask that is counted, and planes that are carried instead; empty where none is counted.
        known: least and largest value of the mask sum, as text.
        formula: of the layer as it was found, see `formula.py`; empty unless it is partial.
        done: what the passes did.
        precision: `fp16` or `fp32` in the FP16 graph; empty without one.
        reason: why it stayed FP32; empty if it did not.
        times: how often the network runs it.
    """

    layer: str
    form: str
    window: str
    mask: str
    known: str
    formula: str
    done: tuple[str, ...]
    precision: str
    reason: str = ""
    times: int = 1


def explain(
    model: ir.Model, notes: Mapping[str, tuple[str, ...]], planes: Mapping[str, int],
    kept_fp32: Mapping[str, str] | None, merged: Mapping[str, str],
) -> list[LayerReport]:  # fmt: skip
    """A row for each layer of the cleaned trace that the image reaches, in the order they run.

    Args:
        model: before the passes.
        notes: what the passes did, by the name of the convolution's result.
        planes: how many planes stand for a mask, by its name.
        kept_fp32: why results stay FP32 in the FP16 graph, by name; None without such a graph.
        merged: of convolutions that became one with others, the name of the common result.
    """
    mask_path = analyse_mask_path(model)
    layers = [n for n in model.graph if n.op_type in CONVOLUTIONS and n.outputs[0] in mask_path.image_dependent]
    reasons = _reasons([str(node.outputs[0].name) for node in layers], kept_fp32 or {}, merged)
    found: Counter[LayerReport] = Counter()
    for node in layers:
        reason = reasons.get(str(node.outputs[0].name), "")
        precision = "" if kept_fp32 is None else "fp32" if reason else "fp16"
        found[_row(node, mask_path, notes, planes, precision, reason)] += 1
    return [replace(row, times=times) for row, times in found.items()]


def _reasons(results: list[str], kept: Mapping[str, str], merged: Mapping[str, str]) -> dict[str, str]:
    """Why results of layers stay FP32, by their names in the trace.

    The passes name what they make of a layer `RESULT_...`; of `conv2d` and `conv2d_1`, `conv2d_1_skip` is the latter's.
    """
    found: dict[str, str] = {}
    for name, reason in kept.items():
        own = [result for result in results if name == result or name.startswith(f"{result}_")]
        longest = [max(own, key=len)] if own else []
        for result in (*longest, *(old for old, new in merged.items() if new == name)):
            found.setdefault(result, reason)
    return found


def _row(
    node: ir.Node, mask_path: MaskPath, notes: Mapping[str, tuple[str, ...]], planes: Mapping[str, int],
    precision: str, reason: str,
) -> LayerReport:  # fmt: skip
    weight, result = node.inputs[1], str(node.outputs[0].name)
    end, ratio = _renormalised(node, mask_path)
    root = mask_path.tables[ratio].root if ratio is not None and ratio in mask_path.tables else ratio
    form = "partial" if ratio is not None else "masked" if _is_masked(node.inputs[0], mask_path) else "ordinary"
    name = str(weight.name) if weight is not None else result
    return LayerReport(
        layer=name.removeprefix(PREFIX).removesuffix(SUFFIX),
        form=form,
        window=_window(node),
        mask=_mask_of(root, planes),
        known=_range(root, mask_path),
        formula=formula_of(end, node, root) if ratio is not None else "",
        done=notes.get(result, ()),
        precision=precision,
        reason=reason,
    )


def _renormalised(conv: ir.Node, mask_path: MaskPath) -> tuple[ir.Value, ir.Value | None]:
    """The last value of the layer that begins with `conv`, and the ratio or divisor it is renormalised by."""
    value, ratio = conv.outputs[0], None
    while True:
        users = [use.node for use in value.uses() if use.node.op_type not in QUERIES]
        if len(users) != 1 or users[0].op_type not in WITHIN_LAYER:
            return value, ratio
        node = users[0]
        others = [operand for operand in node.inputs if operand is not None and operand is not value]
        if any(operand in mask_path.image_dependent for operand in others):
            return value, ratio
        for operand in others:
            divides = node.op_type == "Div" and operand is node.inputs[1]
            scales = node.op_type == "Mul" and find_divisor(operand, mask_path) is not None
            if operand in mask_path.mask_only and (divides or scales):
                ratio = ratio or operand
        value = node.outputs[0]


def _is_masked(value: ir.Value | None, mask_path: MaskPath) -> bool:
    """Whether what a convolution reads is a product with the mask."""
    node = value.producer() if value is not None else None
    if node is None:
        return False
    if node.op_type in ("Mul", "Where") and any(operand in mask_path.mask_only for operand in node.inputs):
        return True
    return node.op_type in BEFORE_CONVOLUTION and any(_is_masked(operand, mask_path) for operand in node.inputs)


def _window(node: ir.Node) -> str:
    weight = constant(node.inputs[1])
    if weight is None:
        return "computed kernel"
    size = "x".join(map(str, weight.shape[2:]))
    groups = node.attributes["group"].as_int() if "group" in node.attributes else 1
    transposed = node.op_type == "ConvTranspose"
    inputs, outputs = weight.shape[1] * groups, weight.shape[0]
    if transposed:
        inputs, outputs = weight.shape[0], weight.shape[1] * groups
    text = f"{size}, {inputs} to {outputs}{' transposed' if transposed else ''}"
    for name, word in (("strides", "stride"), ("dilations", "dilation")):
        numbers = integers(node, name, [1, 1])
        if any(number != 1 for number in numbers):
            text += f", {word} {'x'.join(map(str, dict.fromkeys(numbers)))}"
    return text + (f", {groups} groups" if groups != 1 else "")


def _mask_of(root: ir.Value | None, planes: Mapping[str, int]) -> str:
    counting = root.producer() if root is not None else None
    mask = counting.inputs[0] if counting is not None else None
    wide = channels(mask)
    if mask is None or wide is None:
        return ""
    carried = planes.get(str(mask.name), wide)
    return f"{wide}" if carried == wide else f"{wide}, carried as {carried}"


def _range(root: ir.Value | None, mask_path: MaskPath) -> str:
    if root is None:
        return ""
    low, high = mask_path.ranges[root]
    if not (np.isfinite(low) and np.isfinite(high)):
        return "unknown"
    table = mask_path.tables.get(root)
    step = (high - low) / max(len(table.values) - 1, 1) if table is not None and table.complete else None
    counted = "" if step == 1 else " in any steps" if step is None else f" in steps of {step:g}"
    return f"{low:g}..{high:g}{counted}"

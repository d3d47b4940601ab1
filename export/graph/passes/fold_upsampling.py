r"""Nearest upsampling followed by a convolution, as one transposed convolution over the small features.

Upsampling by `s` repeats every place `s` times, which is a transposed convolution with `s x s` ones and stride `s`.
Followed by a `k x k` convolution it is a transposed convolution with stride `s`, whose kernel of `k + s - 1` is the
flipped kernel summed over every `s x s` window, and which cuts off `k - 1 - p` where the convolution pads `p`::

    conv_W(up(x))  =  convT_V(x)           V[i]  =  sum_{0 <= j < s} W'[i - j]           W'[i] = W[k - 1 - i]

An output place then needs `((k + s - 1) / s)^2` taps and not `k^2`: 4 and not 9 for `s = 2`, `k = 3`. It is the
sub-pixel form: `s^2` small convolutions whose results interleave (Shi et al., "Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016; their note "Is the
deconvolution layer the same as a convolutional layer?" has the equivalence).

A decoder convolves a concatenation of upsampled features and a skip, and convolution is linear over channels::

    conv_W(cat(up(x), y))  =  convT_V(x) + conv_{W_y}(y)

The summed kernel has more values than `W`. A graph may instead hold `W'` and sum it where it is used, by average
pooling of `s^2 W'`: runtimes fold that when they open the file, which stays as small as it was.

On a GPU the larger kernel has to come through memory, in every call: deep layers of few places and many channels, whose
kernels are most of what they move, stay as they are.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import onnx_ir as ir

from ..analysis.mask_path import analyse_mask_path
from ..analysis.nearest_upsampling import Factors, nearest_factors
from ..ir_tools import Array, add_constant, channels, constant, insert_before, integers, remove_unused, replace_output
from ..report import PassReport

Kernels = Literal["summed", "as trained"]

Shapes = Mapping[str, tuple[int, ...]]

OPERATIONS_PER_BYTE = 215
"""How many FP16 operations a GPU does while its memory moves a byte; of those in `engines/gpus.py`, the median."""


def fold_upsampling(
    model: ir.Model, kernels: Kernels = "summed", shapes: Shapes = MappingProxyType({})
) -> tuple[ir.Model, PassReport]:
    """Write convolutions over nearest-upsampled features, in a copy of `model`, as transposed convolutions.

    Args:
        model: types and shapes inferred.
        kernels: `summed` for kernels that are constants; `as trained` for kernels that are stored as they were and
            summed by the runtime.
        shapes: of results, by name. With them, convolutions whose summed kernels would cost a GPU more than their taps
            save stay; for FP16 graphs.
    """
    model = model.clone()
    report = PassReport("fold_upsampling")
    features = analyse_mask_path(model).image_dependent
    for node in list(model.graph):
        if node.op_type != "Conv" or node.domain or node.outputs[0] not in features:
            continue
        parts = _parts(node)
        if not any(nearest_factors(part.producer()) for part in parts):
            continue
        reason = _reason_against(node, parts) or _kernel_outweighs(node, parts, shapes.get(str(node.outputs[0].name)))
        if reason is None:
            report.change(node, _saving(node, parts))
            _rewrite(model.graph, node, parts, kernels)
        else:
            report.refuse(node, reason)
    return remove_unused(model), report


def _parts(conv: ir.Node) -> list[ir.Value]:
    """What a convolution reads: the parts of a concatenation of channels, or its one input."""
    value = conv.inputs[0]
    assert value is not None
    joined = value.producer()
    if joined is not None and joined.op_type == "Concat" and joined.attributes["axis"].as_int() == 1:
        return [part for part in joined.inputs if part is not None]
    return [value]


def _reason_against(conv: ir.Node, parts: list[ir.Value]) -> str | None:
    weight = constant(conv.inputs[1])
    if weight is None:
        return "the convolution's weight is not constant"
    if len(conv.inputs) > 2 and conv.inputs[2] is not None and constant(conv.inputs[2]) is None:
        return "the convolution's bias is not constant"
    if weight.ndim != 4 or 1 in weight.shape[2:]:
        return f"a kernel of {'x'.join(map(str, weight.shape[2:]))} has no taps to share"
    if any(number != 1 for name in ("strides", "dilations") for number in integers(conv, name, [1, 1])):
        return "the convolution has a stride or a dilation"
    if "group" in conv.attributes and conv.attributes["group"].as_int() != 1:
        return "the convolution has groups"
    if "auto_pad" in conv.attributes and conv.attributes["auto_pad"].as_string() != "NOTSET":
        return "the convolution's padding is automatic"
    if any(pad > size - 1 for pad, size in zip(integers(conv, "pads", [0] * 4), weight.shape[2:] * 2, strict=True)):
        return "the convolution's padding is wider than its kernel"
    if sum(channels(part) or 0 for part in parts) != weight.shape[1]:
        return "the channels of what is concatenated are not static"
    return None


def _kernel_outweighs(conv: ir.Node, parts: list[ir.Value], shape: tuple[int, ...] | None) -> str | None:
    """Whether FP16 kernels would grow by more bytes than a GPU moves while it does the operations that are saved."""
    weight = constant(conv.inputs[1])
    if shape is None or weight is None:
        return None
    factors = [nearest_factors(part.producer()) for part in parts]
    upsampled = sum(channels(part) or 0 for part, found in zip(parts, factors, strict=True) if found is not None)
    first = next(found for found in factors if found is not None)
    places = int(np.prod(shape)) // len(weight)
    taps, small = int(np.prod(weight.shape[2:])), int(np.prod(_small_kernel(weight, first)))
    grown = (small - taps) * upsampled * len(weight)
    joined = 2 * places * (weight.shape[1] - len(weight))  # what one convolution of all parts writes and reads more
    saved = (taps - small / np.prod(first)) * upsampled * len(weight) * places
    if 2 * (grown - joined) * OPERATIONS_PER_BYTE <= 2 * saved:
        return None
    return f"its kernel would grow by {2 * grown / 1e6:.1f} MB, more than {places} places save"


def _saving(conv: ir.Node, parts: list[ir.Value]) -> str:
    weight = constant(conv.inputs[1])
    factors = [found for part in parts if (found := nearest_factors(part.producer())) is not None]
    assert weight is not None
    taps, few = (float(np.prod(size)) for size in (weight.shape[2:], _small_kernel(weight, factors[0])))
    return f"upsampling folded, {few / np.prod(factors[0]):g} taps of {taps:g}"


def _small_kernel(weight: Array, factors: Factors) -> list[int]:
    return [k + s - 1 for k, s in zip(weight.shape[2:], factors, strict=True)]


def _rewrite(graph: ir.Graph, conv: ir.Node, parts: list[ir.Value], kernels: Kernels) -> None:
    weight = constant(conv.inputs[1])
    assert weight is not None
    edges = np.cumsum([0, *(channels(part) or 0 for part in parts)])
    bias = conv.inputs[2] if len(conv.inputs) > 2 else None
    terms: list[ir.Value] = []
    groups = _by_factors(parts)
    for factors, places in groups.items():
        part_weight = np.concatenate([weight[:, edges[place] : edges[place + 1]] for place in places], axis=1)
        sources = [parts[place] for place in places]
        if factors is None:
            term = _convolve(graph, conv, sources, part_weight, bias)
        else:
            small = [_source(value) for value in sources]
            term = _convolve_transposed(graph, conv, small, part_weight, factors, bias, kernels)
        # `--keep-fp32 NAME*` finds the sum, which takes the name of what it replaces, and all its terms.
        factor = "x".join(map(str, factors)) if factors is not None else ""
        term.name = f"{conv.outputs[0].name}_{f'upsampled_{factor}' if factor else 'skip'}"
        terms.append(term)
        bias = None
    total = terms[0]
    for term in terms[1:]:
        total = insert_before(conv, "Add", [total, term], like=conv.outputs[0])
    name = conv.outputs[0].name
    conv.outputs[0].name = f"{name}_replaced"
    replace_output(conv.outputs[0], total)
    total.name = name
    graph.remove(conv, safe=True)


def _by_factors(parts: list[ir.Value]) -> dict[Factors | None, list[int]]:
    """The places of the parts that are upsampled alike; those that are not upsampled come first."""
    groups: dict[Factors | None, list[int]] = {None: []}
    for place, part in enumerate(parts):
        groups.setdefault(nearest_factors(part.producer()), []).append(place)
    return {factors: places for factors, places in groups.items() if places}


def _convolve(
    graph: ir.Graph, conv: ir.Node, sources: list[ir.Value], weight: Array, bias: ir.Value | None
) -> ir.Value:
    kernel = add_constant(graph, f"{conv.outputs[0].name}_skip_weight", weight)
    inputs = [_join(conv, sources), kernel, bias] if bias is not None else [_join(conv, sources), kernel]
    return insert_before(conv, "Conv", list(inputs), dict(conv.attributes), like=conv.outputs[0])


def _convolve_transposed(
    graph: ir.Graph, conv: ir.Node, sources: list[ir.Value], weight: Array, factors: Factors,
    bias: ir.Value | None, kernels: Kernels,
) -> ir.Value:  # fmt: skip
    flipped = np.ascontiguousarray(weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
    size = _small_kernel(weight, factors)
    name = f"{conv.outputs[0].name}_upsampled_weight"
    if kernels == "summed":
        kernel = add_constant(graph, name, sum_windows(flipped, factors))
    else:
        stored = add_constant(graph, name, (flipped * np.prod(factors)).astype(np.float32))
        margin = [factor - 1 for factor in factors]
        pooling = {"kernel_shape": list(factors), "pads": margin * 2, "count_include_pad": 1}
        kernel = insert_before(conv, "AveragePool", [stored], pooling, like=stored)
        kernel.shape = ir.Shape([*flipped.shape[:2], *size])
    cut = [k - 1 - pad for k, pad in zip(weight.shape[2:] * 2, integers(conv, "pads", [0] * 4), strict=True)]
    attributes = {"strides": list(factors), "pads": cut, "kernel_shape": size}
    inputs = [_join(conv, sources), kernel, bias] if bias is not None else [_join(conv, sources), kernel]
    return insert_before(conv, "ConvTranspose", list(inputs), attributes, like=conv.outputs[0])


def sum_windows(kernel: Array, factors: Factors) -> Array:
    """A kernel [C,D,k_h,k_w] summed over all windows of `factors`, [C,D,k_h + s_h - 1,k_w + s_w - 1], float32."""
    height, width = kernel.shape[2:]
    summed = np.zeros((*kernel.shape[:2], height + factors[0] - 1, width + factors[1] - 1))
    for i in range(factors[0]):
        for j in range(factors[1]):
            summed[:, :, i : i + height, j : j + width] += kernel
    return summed.astype(np.float32)


def _join(anchor: ir.Node, values: list[ir.Value]) -> ir.Value:
    if len(values) == 1:
        return values[0]
    joined = insert_before(anchor, "Concat", list(values), {"axis": 1}, like=values[0])
    shape = values[0].shape
    assert shape is not None
    joined.shape = ir.Shape([shape[0], sum(channels(value) or 0 for value in values), *shape[2:]])
    return joined


def _source(upsampled: ir.Value) -> ir.Value:
    producer = upsampled.producer()
    assert producer is not None
    source = producer.inputs[0]
    assert source is not None
    return source

"""Which FP32 weight an FP16 weight was made of."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.export.graph.ir_tools import constant
from inpaintrt.runtime.backends.onnx_runtime import open_session

ROUNDING = 2.0**-10
"""Relative change that is still rounding: twice what FP16 makes of a normal value, as kernels that are sums are summed
again."""

SUMMED = 2.0**-22
"""Change, relative to the largest value of a weight, that summing it again in FP32 may make."""

SMALLEST_NORMAL = 2.0**-14
"""Of FP16; below it the absolute error is at most half of 2^-24."""

RECOGNISED = 0.5
"""Share of values that must be equal once rounded if one weight is to be taken for another's original."""

DISTINCT = 64
"""So many different values make a constant unmistakable; fewer are enough for a small one."""

DERIVED = re.compile(r"(_with_headroom)?(_\d+)?_fp16(_\d+)?$")
"""What the exporter appends to the name of an FP32 weight when it makes FP16 of it."""


def all_constants(model: ir.Model) -> dict[str, NDArray[Any]]:
    """The FP32 constants of a model by name: those it stores, and those it computes of them whatever its input is."""
    found = {
        str(name): array for name, value in model.graph.initializers.items() if (array := constant(value)) is not None
    }
    model = model.clone()
    graph = model.graph
    computed: set[ir.Value] = set()
    for node in list(graph):
        sources = [value for value in node.inputs if value is not None]
        if sources and all(value in computed or constant(value) is not None for value in sources):
            computed.update(node.outputs)
        elif constant(node.outputs[0]) is None:
            graph.remove(node)
    graph.inputs.clear()
    graph.outputs[:] = [value for value in computed if value.dtype == ir.DataType.FLOAT]
    if graph.outputs:
        names = [str(value.name) for value in graph.outputs]
        session = open_session(ir.to_proto(model).SerializeToString(), "cpu")
        found |= dict(zip(names, session.run(names, {}), strict=True))
    return {name: array for name, array in found.items() if array.dtype == np.float32}


def unrounded(name: str, half: NDArray[Any], single: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    """The FP32 weight that an FP16 weight was made of, times the power of two that lies between them (headroom).

    A name alone says nothing, because the passes derive constants from constants: most values must be equal once
    rounded.

    Args:
        name, half: the FP16 weight.
        single: the constants of the FP32 model by name.

    Returns:
        None if `half` is not FP16, or no constant of the FP32 model has its shape and most of its values.
    """
    if half.dtype != np.float16:
        return None
    narrow = half.astype(np.float64)
    own = DERIVED.sub("", name)
    for found in sorted(single, key=lambda other: other != own):
        if single[found].shape != half.shape:
            continue
        original: NDArray[np.float64] = single[found].astype(np.float64)
        largest, reached = np.abs(original).max(initial=0.0), np.abs(narrow).max(initial=0.0)
        if largest > 0 and 0 < reached < np.inf:
            original = original * 2.0 ** np.round(np.log2(reached / largest))
        told = original != 0
        # Planes of ratios hold the same few values all over and resemble each other; kernels and biases do not.
        if np.unique(original).size < min(DISTINCT, original.size / 2):
            continue
        if told.any() and (rounding_excess(narrow, original)[told] <= ROUNDING).mean() >= RECOGNISED:
            return original
    return None


def rounding_excess(half: NDArray[np.float64], original: NDArray[np.float64]) -> NDArray[np.float64]:
    """The relative difference of each value, beyond what subnormal values lose."""
    difference = np.abs(half - original)
    relative: NDArray[np.float64] = np.where(
        difference <= max(2.0**-25, SUMMED * np.abs(original).max(initial=0.0)),
        0.0,
        difference / np.maximum(np.abs(original), SMALLEST_NORMAL),
    )
    return np.where(np.isfinite(relative), relative, np.inf)

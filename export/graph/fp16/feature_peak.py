"""The largest feature of a network, probed at export with the masks that magnify most.

The less a partial convolution knows, the more it magnifies that. So the probes are an image of which one pixel is
known, one of which a few are, and one without holes. A sketch draws all of the holes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.backends.onnx_runtime import open_session

from ...interface import Interface
from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..operators import NO_LARGER
from .fp32_nodes import fp32_nodes

BOUNDED = frozenset({"Sigmoid", "Tanh"})
"""Operators whose results may be far smaller than their operands, and are looked at."""

FEW = 0.01
"""Share of known pixels where a few are known."""


@dataclass(frozen=True)
class Peaks:
    """The largest absolute value that the probes gave each feature.

    Args:
        values: by the name of a value; infinite where it was not finite.
        largest: of those that may be FP16.
    """

    values: Mapping[str, float]
    largest: float


def feature_peaks(
    model: ir.Model,
    interface: Interface,
    shape: tuple[int, ...],
    hole: NDArray[np.float32] | None = None,
) -> Peaks:
    """The peaks of all features over the probes.

    Args:
        model: FP32, with input `image`, `mask` unless it is fixed, perhaps `sketch`, and output `output`.
        interface: the range of the image and the polarity of the mask.
        shape: of the image, [N,3,H,W].
        hole: the fixed mask [1,1,H,W], 1 = hole, of a model without a `mask`.
    """
    probed, bounds, in_fp32 = _with_peaks(model)
    session = open_session(ir.to_proto(probed).SerializeToString(), "cpu", in_order=True)
    names = [value.name for value in session.get_inputs()]
    peaks = dict.fromkeys((name for name, below in bounds.items() if below is None), 0.0)
    for probe in _probes(interface, shape, hole):
        found = session.run(None, {name: probe[name] for name in names})
        for name, peak in zip(peaks, found, strict=True):
            peaks[name] = max(peaks[name], float(peak) if np.isfinite(peak) else np.inf)
    for name, below in bounds.items():
        if below is not None:
            peaks[name] = max((peaks[operand] for operand in below), default=0.0)
    return Peaks(peaks, max((peak for name, peak in peaks.items() if name not in in_fp32), default=0.0))


def _with_peaks(model: ir.Model) -> tuple[ir.Model, dict[str, tuple[str, ...] | None], set[str]]:
    """A copy of `model` whose outputs are the peaks of its features.

    Returns:
        The model; for each feature, in order, None or the features that it is no larger than, which need no look; and
        the features that are FP32 in any case.
    """
    model = model.clone()
    mask_path = analyse_mask_path(model)
    kept = fp32_nodes(model.graph, mask_path)
    peaks: list[ir.Value] = []
    bounds: dict[str, tuple[str, ...] | None] = {}
    in_fp32: set[str] = set()
    for node in list(model.graph):
        features = [value for value in node.outputs if _is_feature(value, mask_path)]
        operands = tuple(str(value.name) for value in node.inputs if value and _is_feature(value, mask_path))
        is_below = node.op_type in NO_LARGER - BOUNDED and all(name in bounds.keys() - in_fp32 for name in operands)
        below = operands if is_below else None
        bounds.update(dict.fromkeys((str(value.name) for value in features), below))
        in_fp32.update(str(value.name) for value in features if node in kept)
        for value in features if below is None else ():
            magnitude = ir.node("Abs", [value], num_outputs=1)
            peak = ir.node("ReduceMax", [magnitude.outputs[0]], {"keepdims": 0}, num_outputs=1)
            peak.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
            model.graph.insert_after(node, [magnitude, peak])
            peaks.append(peak.outputs[0])
    model.graph.outputs[:] = peaks
    return model, bounds, in_fp32


def _is_feature(value: ir.Value | None, mask_path: MaskPath) -> bool:
    return value is not None and value in mask_path.image_dependent and value.dtype == ir.DataType.FLOAT


def _probes(
    interface: Interface, shape: tuple[int, ...], hole: NDArray[np.float32] | None
) -> list[dict[str, NDArray[np.float32]]]:
    """Image, mask and sketch of each probe, in the network's own range and polarity."""
    rng = np.random.default_rng(0)
    offset, scale = (np.array(values).reshape(1, 3, 1, 1) for values in interface.normalisation)
    batch, _, height, width = shape
    one = np.zeros((batch, 1, height, width), dtype=np.bool_)
    one[:, :, height // 2, width // 2] = True
    few = rng.random((batch, 1, height, width)) < FEW
    known_masks = (one, few, np.ones_like(one))
    if hole is not None:
        known_masks = (np.broadcast_to(hole == 0, one.shape),) * 3
    probes = []
    for pixels, known in zip((np.ones(shape), rng.random(shape), rng.random(shape)), known_masks, strict=True):
        image = (pixels - offset) / scale
        if interface.premask:
            image = np.where(known, image, interface.fill)
        mask = known if interface.mask_polarity == "valid" else ~known
        probe = {"image": image, "mask": mask, "sketch": ~known}
        probes.append({name: value.astype(np.float32) for name, value in probe.items()})
    return probes

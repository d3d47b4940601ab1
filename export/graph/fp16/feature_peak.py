"""The largest feature of a network, probed at export with the masks that magnify most.

The less a partial convolution knows, the more it magnifies that. So the probes are an image of which one pixel is
known, one of which a few are, and one without holes. A sketch draws all of the holes.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.backends.onnx_runtime import open_session

from ...interface import Interface
from ..analysis.mask_path import MaskPath, analyse_mask_path
from ..operators import NO_LARGER
from .fp32_nodes import fp32_nodes

FEW = 0.01
"""Share of known pixels where a few are known."""


def feature_peak(
    model: ir.Model,
    interface: Interface,
    shape: tuple[int, ...],
    hole: NDArray[np.float32] | None = None,
) -> float:
    """The largest absolute value, over the probes, of any feature that may be FP16; infinite if one is not finite.

    Args:
        model: FP32, with input `image`, `mask` unless it is fixed, perhaps `sketch`, and output `output`.
        interface: the range of the image and the polarity of the mask.
        shape: of the image, [N,3,H,W].
        hole: the fixed mask [1,1,H,W], 1 = hole, of a model without a `mask`.
    """
    model = model.clone()
    mask_path = analyse_mask_path(model)
    kept = fp32_nodes(model.graph, mask_path)
    peaks: list[ir.Value] = []
    known: set[ir.Value] = set()
    for node in list(model.graph):
        if node in kept:
            continue  # FP32 in any case
        features = [value for value in node.outputs if _is_feature(value, mask_path)]
        known.update(features)
        if node.op_type in NO_LARGER and all(value in known for value in node.inputs if _is_feature(value, mask_path)):
            continue
        for value in features:
            magnitude = ir.node("Abs", [value], num_outputs=1)
            peak = ir.node("ReduceMax", [magnitude.outputs[0]], {"keepdims": 0}, num_outputs=1)
            peak.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
            model.graph.insert_after(node, [magnitude, peak])
            peaks.append(peak.outputs[0])
    model.graph.outputs[:] = peaks
    session = open_session(ir.to_proto(model).SerializeToString(), "cpu")
    largest = 0.0
    names = [value.name for value in session.get_inputs()]
    for probe in _probes(interface, shape, hole):
        found = np.array(session.run(None, {name: probe[name] for name in names}), dtype=np.float64)
        largest = max(largest, float(found.max(initial=0.0)) if np.isfinite(found).all() else np.inf)
    return largest


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

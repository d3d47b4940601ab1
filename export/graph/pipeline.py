"""The passes over a graph, in order. This is the list to read, and the list to add a pass to.

A pass takes a model and returns a new one with a report, and changes nothing of what it is given. It is exact: on any
mask of zeros and ones the new graph computes what the old one did, up to the rounding of FP32. Where it cannot prove
its precondition it leaves the graph unchanged and says why in its report.

1. `clean_up`: constants folded, FP64 as FP32, what the trace wrote in a roundabout way written plainly.
2. `OPTIMISATIONS`: the passes that make every graph smaller and safe, see below.
3. `fix_mask`, if the mask never changes.
4. For FP32 `SHAPING_FOR_CPUS`; for each precision `fold_upsampling`, whose kernels differ; then for FP32
   `centre_normalisations`, which ONNX Runtime needs to be as accurate as PyTorch, and for FP16 the conversion of the
   types and `SHAPING_FOR_GPUS`.
5. `add_image_io`, for `--io image`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inpaintrt.runtime.bundle import Precision

from ..interface import Interface
from .analysis.multiply_adds import fp16_share, with_sizes
from .cleanup.centre_normalisation import centre_normalisations
from .cleanup.clean_up import clean_up
from .fp16.convert import Fp16Report, convert_to_fp16
from .fp16.feature_peak import feature_peaks
from .fp16.headroom import scale_for
from .passes.collapse_mask_channels import collapse_mask_channels
from .passes.combine_parallel_convs import combine_parallel_convs
from .passes.fix_mask import fix_mask
from .passes.fold_batch_norm import fold_batch_norm
from .passes.fold_gains import fold_gains
from .passes.fold_upsampling import Kernels, fold_upsampling
from .passes.fourier_as_matrices import fourier_as_matrices
from .passes.image_io import add_image_io
from .passes.narrow_mask_sums import narrow_mask_sums
from .passes.normalise_mask_ratio import normalise_mask_ratio
from .passes.patches_as_products import patches_as_products
from .passes.separate_parallel_convs import separate_parallel_convs
from .passes.shift_mask_sums import shift_mask_sums
from .passes.sink_upsampling import sink_upsampling
from .report import PassReport

__all__ = [
    "OPTIMISATIONS",
    "SHAPING_FOR_CPUS",
    "Fp16Graph",
    "Optimised",
    "add_image_io",
    "fix_mask",
    "fold",
    "optimise",
    "to_fp16",
]

OPTIMISATIONS: tuple[Callable[[ir.Model], tuple[ir.Model, PassReport]], ...] = (
    collapse_mask_channels,
    normalise_mask_ratio,
    fold_batch_norm,
    fold_gains,
    fourier_as_matrices,
    combine_parallel_convs,
    sink_upsampling,
)
"""The exact passes over every graph, in order.

Masks are narrow before their ratios are read; a ratio is 1 where all is known before batch norm goes through it into
weights; weights are final before convolutions merge; and pointwise operators are moved before `fold_upsampling` looks
for an upsampling in front of a convolution.
"""

SHAPING_FOR_CPUS: tuple[Callable[[ir.Model], tuple[ir.Model, PassReport]], ...] = (patches_as_products,)
"""Exact passes over the FP32 graph: forms that are faster on a CPU.

Not for FP16 files: scores of a softmax stay FP32 in them, and TensorRT-RTX has no FP32 matrix product for Turing
(sm75), while it builds the convolutions.
"""

SHAPING_FOR_GPUS: tuple[Callable[[ir.Model], tuple[ir.Model, PassReport]], ...] = (
    separate_parallel_convs,
    narrow_mask_sums,
    shift_mask_sums,
)
"""Exact passes over the FP16 graph: forms that a GPU's compiler fuses better, by its kernel plans."""

KERNELS: dict[Precision, Kernels] = {"fp32": "as trained", "fp16": "summed"}
"""FP16 rounds a summed kernel once; the FP32 file does not grow with what its runtime can sum."""


@dataclass(frozen=True)
class Optimised:
    """A graph after the exact passes.

    Args:
        model: the result.
        cleaned: the trace after the first clean-up and before the passes: the layers as they were written.
        passes: what each pass did.
    """

    model: ir.Model
    cleaned: ir.Model
    passes: list[PassReport]


def optimise(traced: ir.Model) -> Optimised:
    """The exact passes over a raw trace with inputs `image`, `mask` and perhaps `sketch`."""
    model = cleaned = clean_up(traced)
    passes = []
    for optimisation in OPTIMISATIONS:
        model, done = optimisation(model)
        passes.append(done)
    return Optimised(clean_up(model), cleaned, passes)


def fold(
    model: ir.Model, precision: Precision, shapes: dict[str, tuple[int, ...]]
) -> tuple[ir.Model, list[PassReport]]:
    """What depends on the precision of the graph: `SHAPING_FOR_CPUS`, folded upsampling, accurate normalisations.

    Args:
        model: optimised.
        precision: of the graph it becomes.
        shapes: of its inputs, [N,C,H,W] each.
    """
    reports = []
    for shape_for_cpus in SHAPING_FOR_CPUS if precision == "fp32" else ():
        model, done = shape_for_cpus(model)
        model = clean_up(model) if done.changed else model
        reports.append(done)
    folded, done = fold_upsampling(model, KERNELS[precision], _result_shapes(model, shapes, precision))
    return (centre_normalisations(folded) if precision == "fp32" else folded), [*reports, done]


def _result_shapes(
    model: ir.Model, shapes: dict[str, tuple[int, ...]], precision: Precision
) -> dict[str, tuple[int, ...]]:
    """The static shapes of convolutions' results, which only the FP16 graph is shaped by."""
    if precision != "fp16":
        return {}
    values = [node.outputs[0] for node in with_sizes(model, shapes).graph if node.op_type == "Conv"]
    known = {str(value.name): value.shape for value in values if value.shape is not None and value.shape.is_static()}
    return {name: tuple(map(int, shape)) for name, shape in known.items()}


@dataclass(frozen=True)
class Fp16Graph:
    """An FP16 graph, and what was found on the way to it.

    Args:
        model: the graph.
        report: which nodes stayed FP32, and why.
        share: share (0..1) of its multiply-adds that are done in FP16.
        peak: the largest probed feature of the FP32 graph.
        scale: the power of two that features are scaled by.
    """

    model: ir.Model
    report: Fp16Report
    share: float
    peak: float
    scale: float


def to_fp16(
    model: ir.Model,
    interface: Interface,
    shapes: dict[str, tuple[int, ...]],
    keep_fp32: Sequence[str] = (),
    hole: NDArray[np.float32] | None = None,
) -> Fp16Graph:
    """The FP16 form of an optimised graph, scaled as its largest feature needs.

    Args:
        model: FP32, optimised.
        interface: the range of the image and the polarity of the mask.
        shapes: of its inputs, [N,C,H,W] each.
        keep_fp32: names or patterns of nodes that stay FP32.
        hole: the fixed mask [1,1,H,W], 1 = hole, of a model without a `mask`.
    """
    peaks = feature_peaks(model, interface, shapes["image"], hole)
    scale = scale_for(peaks.largest)
    converted, report = convert_to_fp16(model, keep_fp32, scale, peaks.values)
    share = fp16_share(converted, shapes)
    for shape_for_gpus in SHAPING_FOR_GPUS:
        converted, _ = shape_for_gpus(converted)
    return Fp16Graph(converted, report, share, peaks.largest, scale)

"""`export_onnx`: a network becomes a bundle with ONNX models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from inpaintrt.runtime.bundle import Bundle, Precision, Profile

from .interface import Interface
from .models import evaluating, make_models
from .options import ExportOptions, Io, check_options, profile_of_mask
from .report import ExportReport
from .source import Source, from_module
from .storing import check_directory, store


def export_onnx(
    network: nn.Module,
    output: str | Path,
    *,
    interface: Interface | None = None,
    size: tuple[int, int] = (512, 512),
    io: Io = "image",
    precisions: Sequence[Precision] = ("fp32", "fp16"),
    dynamic: tuple[int, int, int] | None = None,
    batch: int | tuple[int, int, int] = 1,
    optimize: bool = True,
    keep_fp32: Sequence[str] = (),
    fixed_mask: NDArray[np.bool_] | None = None,
) -> Bundle:
    """Export a network to a bundle.

    Args:
        network: `forward(image, mask)`, image [N,3,H,W] and mask [N,1 or 3,H,W], as `interface` says; with
            `interface.sketch`, `forward(image, mask, sketch)`, sketch [N,1,H,W].
        output: directory of the bundle; a bundle that is there is replaced in one step.
        interface: what the network expects; the network's own `interface` attribute or the defaults if None.
        size: height and width in pixels of a static graph, multiples of `interface.size_multiple`.
        io: `image` for uint8 images, `tensor` for the network's own tensors.
        precisions: which graphs to write.
        dynamic: smallest, best and largest height and width, instead of `size`.
        batch: number of images, or smallest, best and largest.
        optimize: False for the plain trace.
        keep_fp32: names or patterns of nodes to keep in FP32 in the FP16 graph.
        fixed_mask: bool [H,W], True = hole: the bundle fills these holes in every image, which must be of this size,
            and takes no mask. Instead of `size` and `dynamic`.

    Returns:
        The bundle. `bundle.artifacts` are its ONNX models.

    Raises:
        UsageError: if sizes do not fit the network or each other.
        NetworkError: if the network cannot be called or traced.
        BundleError: if the directory cannot become a bundle.
    """
    if interface is None:
        own = getattr(network, "interface", None)
        interface = own if isinstance(own, Interface) else Interface()
    batches = (batch,) * 3 if isinstance(batch, int) else batch
    if fixed_mask is None:
        profile = Profile(batches, height=dynamic or (size[0],) * 3, width=dynamic or (size[1],) * 3)
    else:
        profile = profile_of_mask(fixed_mask, batches, interface)
    options = ExportOptions(profile, io, tuple(precisions), optimize, tuple(keep_fp32), fixed_mask)
    bundle, _ = export_source(from_module(network, interface), Path(output), options)
    return bundle


def export_source(source: Source, output: Path, options: ExportOptions) -> tuple[Bundle, ExportReport]:
    """As `export_onnx`, from a `Source`; the command's way in."""
    check_options(source.interface, options)
    check_directory(output)
    with evaluating(source.network):
        models, report = make_models(source, options)
    return store(models, source, output, options, report), report

"""`export_onnx`: a network becomes a bundle with ONNX models."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import nn

from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.bundle import Artifact, Bundle, DeployedInterface, Profile
from inpaintrt.runtime.errors import BundleError, NetworkError, UsageError
from inpaintrt.runtime.images import encode_mask

from .graph.analysis.cost import Cost, measure_cost
from .graph.analysis.layers import LayerReport, explain
from .graph.analysis.mask_path import analyse_mask_path
from .graph.analysis.multiply_adds import half_precision_share
from .graph.cleanup.clean_up import clean_up
from .graph.fp16.convert import Fp16Report, convert_to_fp16
from .graph.fp16.feature_peak import feature_peak
from .graph.fp16.headroom import scale_for
from .graph.ir_tools import constant, infer_types
from .graph.passes.collapse_mask_channels import collapse_mask_channels
from .graph.passes.combine_parallel_convs import combine_parallel_convs
from .graph.passes.fix_mask import fix_mask
from .graph.passes.fold_batch_norm import fold_batch_norm
from .graph.passes.fold_upsampling import Kernels, fold_upsampling
from .graph.passes.image_io import add_image_io
from .graph.passes.normalise_mask_ratio import normalise_mask_ratio
from .graph.passes.sink_upsampling import sink_upsampling
from .graph.report import PassReport
from .interface import Interface
from .networks.contextual_attention import parts_for_sizes
from .source import Source, from_module, relative_record
from .tracing.deployed import TensorNetwork
from .tracing.trace import trace

Io = Literal["image", "tensor"]

OPTIMISATIONS = (collapse_mask_channels, normalise_mask_ratio, fold_batch_norm, combine_parallel_convs, sink_upsampling)
"""The exact passes over every graph, in order."""

KERNELS: dict[bundles.Precision, Kernels] = {"fp32": "as trained", "fp16": "summed"}
"""FP16 rounds a summed kernel once; the FP32 file does not grow with what its runtime can sum."""


@dataclass(frozen=True)
class ExportOptions:
    """What an export depends on besides the network.

    Args:
        profile: sizes; multiples of the network's size multiple.
        io: `image` or `tensor`, see the design of the interface.
        precisions: any of `fp32`, `fp16`.
        optimize: False for the plain trace of `torch.onnx.export`, which exists in FP32 alone.
        keep_fp32: names or patterns of nodes that stay FP32 in the FP16 graph.
        fixed_mask: bool [H,W], True = hole, of a network that fills the same holes in every picture and takes no mask;
            `profile` is then of its size, see `profile_of_mask`.
        explain: fill `ExportReport.layers`.
    """

    profile: Profile
    io: Io = "image"
    precisions: tuple[bundles.Precision, ...] = ("fp32", "fp16")
    optimize: bool = True
    keep_fp32: tuple[str, ...] = ()
    fixed_mask: NDArray[np.bool_] | None = None
    explain: bool = False


@dataclass
class ExportReport:
    """What was done: the passes, what they cost and saved, and what became of the FP16 graph.

    `layers` is filled if `ExportOptions.explain` asks for it; `costs` are those of the plain trace and of each model.
    """

    passes: list[PassReport] = field(default_factory=list)
    layers: list[LayerReport] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    half_precision: Fp16Report | None = None
    half_precision_share: float | None = None
    mask_path_values: int = 0
    updated_mask_output: int | None = None
    feature_peak: float = 0.0
    headroom: float = 1.0


def export_onnx(
    network: nn.Module,
    output: str | Path,
    *,
    interface: Interface | None = None,
    size: tuple[int, int] = (512, 512),
    io: Io = "image",
    precisions: Sequence[bundles.Precision] = ("fp32", "fp16"),
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
        io: `image` for uint8 pictures, `tensor` for the network's own tensors.
        precisions: which graphs to write.
        dynamic: smallest, best and largest height and width, instead of `size`.
        batch: number of images, or smallest, best and largest.
        optimize: False for the plain trace.
        keep_fp32: names or patterns of nodes to keep in FP32 in the FP16 graph.
        fixed_mask: bool [H,W], True = hole: the bundle fills these holes in every picture, which must be of this size,
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


def profile_of_mask(hole: NDArray[np.bool_], batch: tuple[int, int, int], interface: Interface) -> Profile:
    """The sizes of a network for one mask [H,W]: the mask's, made up to the size multiple.

    Raises:
        UsageError: if it is no mask, or has no hole.
    """
    if hole.ndim != 2 or hole.dtype != np.bool_ or not hole.any():
        what = "has no hole" if hole.ndim == 2 and hole.dtype == np.bool_ else f"is {hole.dtype} {hole.shape}"
        raise UsageError(f"the fixed mask {what}; expected bool [H,W] with True where the network is to fill")
    height, width = (-(-size // interface.size_multiple) * interface.size_multiple for size in hole.shape)
    return Profile(batch, (height,) * 3, (width,) * 3)


def export_source(source: Source, output: Path, options: ExportOptions) -> tuple[Bundle, ExportReport]:
    """As `export_onnx`, from a `Source`; the command's way in."""
    _check(source.interface, options)
    if bundles.holds_foreign_files(output) and not (output / bundles.DOCUMENT).exists():
        raise BundleError(f"{output}: holds other files and is no bundle; choose an empty or a new directory")
    if output.exists() and not output.is_dir():
        raise BundleError(f"{output}: is a file; a bundle is a directory")
    with evaluating(source.network):
        models, report = make_models(source, options)
    files: dict[str, bytes] = {}
    artifacts: list[Artifact] = []
    for precision, model in models.items():
        path = f"model.{precision}.onnx"
        files[path] = _serialise(model)
        details = _details(precision, report)
        report.costs[precision] = replace(report.costs[precision], bytes=len(files[path]))
        artifacts.append(bundles.describe_file(files[path], path, "onnx", precision, details=details))
    if options.fixed_mask is not None:
        files[bundles.FIXED_MASK] = encode_mask(options.fixed_mask)
        artifacts.append(bundles.describe_file(files[bundles.FIXED_MASK], bundles.FIXED_MASK, "mask"))
    first = next(iter(models.values()))
    bundle = Bundle(
        path=output,
        source=relative_record({**source.record, "torch": torch.__version__}, output),
        network=source.interface.to_dict(),
        interface=DeployedInterface(
            io=options.io,
            size_multiple=source.interface.size_multiple,
            profile=options.profile,
            inputs=tuple(str(value.name) for value in first.graph.inputs),
            outputs=tuple(str(value.name) for value in first.graph.outputs),
            updated_mask_output=report.updated_mask_output,
        ),
        artifacts=tuple(artifacts),
    )
    return _store(bundle, files), report


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module then returns to the mode it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _check(interface: Interface, options: ExportOptions) -> None:
    multiple, profile = interface.size_multiple, options.profile
    if options.io not in ("image", "tensor"):
        raise UsageError(f"io is image or tensor, not {options.io!r}")
    for name in ("height", "width"):
        limits = getattr(profile, name)
        _check_order(name, limits)
        wrong = [size for size in limits if size % multiple]
        if wrong:
            below, above = wrong[0] // multiple * multiple, -(-wrong[0] // multiple) * multiple
            near = f"{below} or {above}" if below else f"{above}"
            raise UsageError(f"{name} {wrong[0]} is no multiple of {multiple}, which this network needs; use {near}")
    _check_order("batch", profile.batch)
    if not options.precisions or set(options.precisions) - {"fp32", "fp16"}:
        raise UsageError(f"--precision is fp32, fp16 or fp32,fp16, not {','.join(options.precisions) or 'empty'}")
    if not options.optimize and "fp16" in options.precisions:
        raise UsageError(
            "--no-optimize gives the plain FP32 trace; the FP16 graph needs the passes: add --precision fp32"
        )


def _check_order(name: str, limits: tuple[int, int, int]) -> None:
    low, best, high = limits
    if not 1 <= low <= best <= high:
        raise UsageError(f"{name} {low},{best},{high}: expected 1 <= smallest <= best <= largest")


def make_models(source: Source, options: ExportOptions) -> tuple[dict[bundles.Precision, ir.Model], ExportReport]:
    network = TensorNetwork(source.network, source.interface).eval()
    height, width = options.profile.height, options.profile.width
    with parts_for_sizes(network, (height[0], height[2]), (width[0], width[2])):
        traced = trace(network, options.profile, optimize=not options.optimize)
    model = traced.model
    report = ExportReport(updated_mask_output=traced.updated_mask_output)
    shapes = _best_shapes(options.profile)
    report.costs["plain"] = measure_cost(model, shapes)
    trace_to_explain = model
    if options.optimize:
        model = trace_to_explain = clean_up(model)
        for optimisation in OPTIMISATIONS:
            model, done = optimisation(model)
            report.passes.append(done)
        model = clean_up(model)
    _check_finite(source.network, model)
    report.mask_path_values = len(analyse_mask_path(model).mask_only)
    hole = None
    if options.fixed_mask is not None:
        hole = padded_mask(options.fixed_mask, options.profile).astype(np.float32)[None, None]
        known = 1 - hole if source.interface.mask_polarity == "valid" else hole
        model = fix_mask(model, known, options.profile.batch[1])
    models: dict[bundles.Precision, ir.Model] = {}
    for precision in options.precisions:
        converted = model
        if options.optimize:
            converted, upsampling = fold_upsampling(model, KERNELS[precision])
            report.passes += [] if models else [upsampling]  # the same for both
        if precision == "fp16":
            report.feature_peak = feature_peak(converted, source.interface, shapes["image"], hole)
            report.headroom = scale_for(report.feature_peak)
            converted, report.half_precision = convert_to_fp16(converted, options.keep_fp32, report.headroom)
            report.half_precision_share = half_precision_share(converted, shapes)
        models[precision] = add_image_io(converted, source.interface, hole) if options.io == "image" else converted
        report.costs[precision] = measure_cost(converted, shapes)
    if options.explain:
        report.layers = _explain(trace_to_explain, report)
    return models, report


def _explain(traced: ir.Model, report: ExportReport) -> list[LayerReport]:
    notes: dict[str, tuple[str, ...]] = {}
    planes: dict[str, int] = {}
    for done in report.passes:
        planes |= done.planes
        for name, note in done.notes.items():
            notes[name] = (*notes.get(name, ()), note)
    half = report.half_precision
    kept = frozenset(name.split()[-1] for name, _ in half.kept) if half is not None else None
    return explain(traced, notes, planes, kept)


def padded_mask(hole: NDArray[np.bool_], profile: Profile) -> NDArray[np.bool_]:
    """A mask [H,W], no larger, at the profile's size; what lies outside the picture counts as hole."""
    padded = np.ones((profile.height[1], profile.width[1]), dtype=np.bool_)
    padded[: hole.shape[0], : hole.shape[1]] = hole
    return padded


def _check_finite(network: nn.Module, model: ir.Model) -> None:
    """Refuse NaN and infinite weights, and NaN that folding made of them; a graph may hold an infinity of its own."""
    infinite = [name for name, weight in network.named_parameters() if not bool(torch.isfinite(weight).all())]
    arrays = {str(value.name): constant(value) for value in model.graph.initializers.values()}
    broken = [
        name
        for name, array in arrays.items()
        if array is not None and array.dtype.kind == "f" and np.isnan(array).any()
    ]
    if infinite or broken:
        raise NetworkError(
            f"the network holds NaN or infinite weights ({(infinite + broken)[0]}); nothing was exported"
        )


def _best_shapes(profile: Profile) -> dict[str, tuple[int, int, int, int]]:
    batch, height, width = profile.batch[1], profile.height[1], profile.width[1]
    plane = (batch, 1, height, width)
    return {"image": (batch, 3, height, width), "mask": plane, "sketch": plane}


def _details(precision: str, report: ExportReport) -> dict[str, object]:
    half = report.half_precision
    if precision != "fp16" or half is None:
        return {}
    return {
        "fp16_share_of_multiply_adds": round(report.half_precision_share or 0.0, 6),
        "kept_fp32": dict(half.kept),
        "largest_probed_feature": report.feature_peak if math.isfinite(report.feature_peak) else "infinite",
        "headroom": 1.0 if half.headroom.refused else report.headroom,
    }


def _serialise(model: ir.Model) -> bytes:
    model = infer_types(model)
    model.producer_name, model.producer_version = "inpaintrt", package_version("inpaintrt")
    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(content, full_check=True)
    except Exception as error:  # the checker's own exceptions share no base
        raise NetworkError(f"the exported graph is invalid, a defect of inpaintrt: {error}") from error
    return content


def _store(bundle: Bundle, contents: Mapping[str, bytes]) -> Bundle:
    """Write everything in one step; engines of models that did not change stay."""
    with contextlib.ExitStack() as stack:
        staged = {path: stack.enter_context(bundles.stage(bundle.path, path, data)) for path, data in contents.items()}
        stack.enter_context(bundles.lock(bundle.path))
        unchanged = {artifact.sha256 for artifact in bundle.artifacts}
        engines = [a for a in bundles.old_artifacts(bundle.path) if a.details.get("onnx_sha256") in unchanged]
        outdated = unchanged - {artifact.sha256 for artifact in bundles.old_artifacts(bundle.path)}
        bundle = replace(bundle, artifacts=(*bundle.artifacts, *engines))
        bundles.commit(bundle, staged)
        if outdated:  # a report on other models would be read as one on these
            bundles.discard_reports(bundle.path)
    return bundle

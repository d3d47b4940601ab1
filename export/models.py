"""From a network to its ONNX models in memory: trace, passes (`graph/pipeline.py`), a model for each precision."""

import contextlib
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import nn

from inpaintrt.runtime.bundle import DeployedInterface, Precision, Profile
from inpaintrt.runtime.errors import NetworkError

from .graph import pipeline
from .graph.analysis.cost import measure_cost
from .graph.analysis.layers import LayerReport, explain
from .graph.analysis.mask_path import analyse_mask_path
from .graph.ir_tools import constant
from .interface import Interface
from .networks.contextual_attention import parts_for_sizes
from .options import ExportOptions, padded_mask
from .report import ExportReport
from .source import Source
from .tracing.deployed import TensorNetwork
from .tracing.trace import Trace, trace

Shapes = dict[str, tuple[int, ...]]

DTYPES: dict[Precision, ir.DataType] = {"fp32": ir.DataType.FLOAT, "fp16": ir.DataType.FLOAT16}


def make_models(source: Source, options: ExportOptions) -> tuple[dict[Precision, ir.Model], ExportReport]:
    """The models of a network in evaluation mode, one for each precision, and what was done to get them.

    Raises:
        NetworkError: if the network cannot be called or traced, or has NaN or infinite weights.
    """
    traced = _trace(source, options)
    report = ExportReport(updated_mask_output=traced.updated_mask_output)
    shapes = _best_shapes(traced.model, options.profile, source.interface.size_multiple)
    report.costs["plain"] = measure_cost(traced.model, shapes)
    model = trace_to_explain = traced.model
    if options.optimize:
        optimised = pipeline.optimise(traced.model)
        model, trace_to_explain, report.passes = optimised.model, optimised.cleaned, optimised.passes
    _check_finite(source.network, model)
    report.mask_path_values = len(analyse_mask_path(model).mask_only)
    hole = _fixed_hole(options)
    if hole is not None:
        known = 1 - hole if source.interface.mask_polarity == "valid" else hole
        model = pipeline.fix_mask(model, known, options.profile.batch[1])
    models: dict[Precision, ir.Model] = {}
    for precision in options.precisions:
        converted = model
        if options.optimize:
            converted, folded = pipeline.fold(model, precision, shapes)
            told = {done.name for done in report.passes}  # of a pass over both files, once
            report.passes += [done for done in folded if done.name not in told]
        if precision == "fp16":
            converted = _to_fp16(converted, source.interface, options, shapes, hole, report)
        report.costs[precision] = measure_cost(converted, shapes)
        if options.io == "image":
            converted = pipeline.add_image_io(converted, source.interface, hole, DTYPES[precision])
        models[precision] = converted
    if options.explain:
        report.layers = _explain(trace_to_explain, report)
    return models, report


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


def _trace(source: Source, options: ExportOptions) -> Trace:
    network = TensorNetwork(source.network, source.interface).eval()
    height, width = options.profile.height, options.profile.width
    with parts_for_sizes(network, (height[0], height[2]), (width[0], width[2])):
        return trace(network, options.profile, optimize=not options.optimize)


def _best_shapes(model: ir.Model, profile: Profile, multiple: int) -> Shapes:
    """The shape of each input of a trace, which takes float32 tensors whatever the bundle will take."""
    inputs, outputs = ([str(value.name) for value in values] for values in (model.graph.inputs, model.graph.outputs))
    tensors = DeployedInterface("tensor", multiple, profile, tuple(inputs), tuple(outputs))
    return tensors.input_shapes(profile.batch[1], profile.height[1], profile.width[1])


def _fixed_hole(options: ExportOptions) -> NDArray[np.float32] | None:
    """The fixed mask as the network's plane [1,1,H,W], 1 = hole; None without one."""
    if options.fixed_mask is None:
        return None
    return padded_mask(options.fixed_mask, options.profile).astype(np.float32)[None, None]


def _to_fp16(
    model: ir.Model, interface: Interface, options: ExportOptions, shapes: Shapes, hole: NDArray[np.float32] | None,
    report: ExportReport,
) -> ir.Model:  # fmt: skip
    graph = pipeline.to_fp16(model, interface, shapes, options.keep_fp32, hole)
    report.fp16, report.fp16_share = graph.report, graph.share
    report.feature_peak, report.headroom = graph.peak, graph.scale
    return graph.model


def _explain(traced: ir.Model, report: ExportReport) -> list[LayerReport]:
    notes: dict[str, tuple[str, ...]] = {}
    planes: dict[str, int] = {}
    for done in report.passes:
        planes |= done.planes
        for name, note in done.notes.items():
            notes[name] = (*notes.get(name, ()), note)
    kept = {name.split()[-1]: reason for name, reason in report.fp16.kept} if report.fp16 is not None else None
    merged = {old: new for done in report.passes for old, new in done.merged.items()}
    return explain(traced, notes, planes, kept, merged)


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

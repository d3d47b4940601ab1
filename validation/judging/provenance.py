"""What an artifact says of itself without being run: is it what the bundle's document calls it?

These checks find what no comparison of images can: an engine that belongs to another model on a machine that cannot
run it, an "FP16" model that computes in FP32, a single altered weight whose effect is below the rounding.
"""

import re

import numpy as np
import onnx
import onnx_ir as ir

from inpaintrt.engines.build import mark_of
from inpaintrt.export.graph.analysis.multiply_adds import fp16_share
from inpaintrt.export.graph.ir_tools import constant, describe
from inpaintrt.export.graph.operators import RANDOM
from inpaintrt.runtime.bundle import Artifact, Bundle

from ..candidates.weights import ROUNDING, all_constants, rounding_excess, unrounded
from .checks import Check

SHARE = "fp16_share_of_multiply_adds"
"""What the exporter calls the share of FP16 work in an artifact's details."""

BELONGS = "engine was built from this bundle's model"
SHARE_TITLE = "share of multiply-adds in FP16"
ROUNDED = "FP16 weights are the FP32 weights, rounded"


def check_provenance(bundle: Bundle, artifact: Artifact, fp32_failed: bool) -> list[Check]:
    """The checks of one artifact, whose file is unaltered.

    Args:
        bundle: that the artifact belongs to.
        artifact: an ONNX model or an engine.
        fp32_failed: whether the FP32 model failed, so that nothing can be measured by it.
    """
    if artifact.kind == "engine":
        return [_engine_belongs(bundle, artifact)]
    try:
        model = ir.from_proto(onnx.load_from_string(bundle.file(artifact)))
    except Exception as error:  # protobuf's and onnx's own
        return [Check("is an ONNX model", "fail", reason=f"it cannot be read: {error}")]
    checks = [_interface(bundle, model), _no_random_numbers(model)]
    if artifact.precision == "fp16":
        checks += [_fp16_share(bundle, artifact, model), _weights_are_rounded(bundle, model, fp32_failed)]
    return checks


def _engine_belongs(bundle: Bundle, engine: Artifact) -> Check:
    title = BELONGS
    built_from = engine.details.get("onnx_sha256")
    if built_from not in {artifact.sha256 for artifact in bundle.artifacts if artifact.kind == "onnx"}:
        reason = f"it was built from model {str(built_from)[:12]}, which is not in the bundle"
        return Check(title, "fail", reason=reason)
    if not engine.details.get("marked"):
        return Check(title, "not run", reason=f"{engine.backend} keeps no mark of the model in its engines")
    if mark_of(str(built_from)).encode() in bundle.file(engine):
        return Check(title, "pass")
    other = re.search(re.escape(mark_of("")).encode() + rb"([0-9a-f]{64})", bundle.file(engine))
    found = f"model {other.group(1).decode()[:12]}" if other else "no model of ours"
    return Check(title, "fail", reason=f"the file was built from {found}, not from {str(built_from)[:12]}")


def _interface(bundle: Bundle, model: ir.Model) -> Check:
    title = "inputs and outputs as bundle.json says"
    deployed, graph = bundle.interface, model.graph
    expected = ir.DataType.UINT8 if deployed.io == "image" else ir.DataType.FLOAT
    problems = []
    for kind, values, names in (("input", graph.inputs, deployed.inputs), ("output", graph.outputs, deployed.outputs)):
        found = tuple(str(value.name) for value in values)
        if found != names:
            problems.append(f"{kind}s are {', '.join(found)}, bundle.json says {', '.join(names)}")
        problems += [f"{value.name} is {value.dtype}" for value in values if value.dtype != expected]
    inner = {value.name for node in graph for value in node.outputs} | set(graph.initializers)
    if deployed.updated_mask_output is None and "updated_mask" in inner:
        problems.append("the graph makes an updated mask, of which bundle.json knows nothing")
    return Check(title, "fail" if problems else "pass", reason="; ".join(problems))


def _no_random_numbers(model: ir.Model) -> Check:
    """An operator that draws random numbers can be right in all cases that are tried."""
    drawn = [describe(node) for node in model.graph.all_nodes() if node.op_type in RANDOM or _drops_out(node)]
    words = f"{len(drawn)} operators draw them, first {drawn[0]}; export the network again" if drawn else ""
    return Check("no random numbers in the graph", "fail" if drawn else "pass", len(drawn), 0, words)


def _drops_out(node: ir.Node) -> bool:
    """Dropout with `training_mode`, its third input, true or not known."""
    if node.op_type != "Dropout" or len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    training = constant(node.inputs[2])
    return training is None or bool(training.any())


def _fp16_share(bundle: Bundle, artifact: Artifact, model: ir.Model) -> Check:
    title = SHARE_TITLE
    recorded = artifact.details.get(SHARE)
    if not isinstance(recorded, float | int):
        return Check(title, "not run", reason="the exporter recorded none")
    profile = bundle.interface.profile
    best = profile.batch[1], profile.height[1], profile.width[1]
    share = fp16_share(model, bundle.interface.input_shapes(*best))
    limit = recorded - 1e-4  # recorded with six digits, of the network without its image operations
    reason = "" if share >= limit else "the model does less in FP16 than was exported"
    return Check(title, "pass" if share >= limit else "fail", share, limit, reason)


def _weights_are_rounded(bundle: Bundle, model: ir.Model, fp32_failed: bool) -> Check:
    """Every FP16 weight is an FP32 weight of the bundle, rounded, and perhaps times a power of two (headroom)."""
    title = ROUNDED
    if "fp32" not in bundle.precisions():
        return Check(title, "not run", reason="the bundle holds no FP32 model")
    if fp32_failed:
        return Check(title, "not run", reason="the FP32 model failed, so its weights are no measure")
    single = all_constants(ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx("fp32")))))
    worst, where, compared = 0.0, "", 0
    for name, value in model.graph.initializers.items():
        half = constant(value)
        original = None if half is None else unrounded(str(name), half, single)
        if half is None or original is None:
            continue
        compared += 1
        excess = rounding_excess(half.astype(np.float64), original)
        if (largest := float(excess.max(initial=0.0))) > worst:
            position = [int(index) for index in np.unravel_index(int(excess.argmax()), excess.shape)]
            count = int((excess > ROUNDING).sum())
            worst, where = largest, f"{name}: {count} of {excess.size} values, most at {position}"
    if not compared:
        return Check(title, "not run", reason="no FP16 weight was recognised in the FP32 model")
    reason = f"{compared} weights compared" if worst <= ROUNDING else f"differs in {where}"
    return Check(title, "pass" if worst <= ROUNDING else "fail", worst, ROUNDING, reason)

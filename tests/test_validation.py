"""The gate: a good bundle passes, and every lie is caught for its own reason."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.errors import BundleError, CheckpointError, NetworkError
from inpaintrt.validation import validate
from inpaintrt.validation.checks import Tolerances, judge, verdict
from inpaintrt.validation.metrics import CaseMetrics, psnr, relative_l2

from .conftest import copy_bundle, make_network


def rewrite(bundle: Bundle, precision: str, change: Callable[[onnx.ModelProto], None]) -> None:
    """Alter a model and record its new sha256: a lie, not damage."""
    import hashlib

    path = bundle.path / bundle.onnx(precision).path
    model = onnx.load_from_string(path.read_bytes())
    change(model)
    path.write_bytes(model.SerializeToString())
    document = bundle.path / "bundle.json"
    values = json.loads(document.read_text())
    for artifact in values["artifacts"]:
        if artifact["path"] == path.name:
            artifact["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    document.write_text(json.dumps(values))


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] > 1]


def alter(tensor: onnx.TensorProto, change: Callable[[np.ndarray], np.ndarray]) -> None:
    array = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(change(array).astype(array.dtype), tensor.name))


def scale_a_weight(factor: float) -> Callable[[onnx.ModelProto], None]:
    return lambda model: alter(weights(model)[2], lambda array: array * factor)


def node(model: onnx.ModelProto, op: str, last: bool = False) -> onnx.NodeProto:
    found = [entry for entry in model.graph.node if entry.op_type == op]
    return found[-1 if last else 0]


def flip_polarity(model: onnx.ModelProto) -> None:
    subtraction = node(model, "Sub")  # known = 1 - hole
    subtraction.op_type, subtraction.input[:] = "Identity", subtraction.input[1:]


def drop_bias(model: onnx.ModelProto) -> None:
    shift = next(tensor for tensor in model.graph.initializer if "_shift" in tensor.name)
    alter(shift, np.zeros_like)


def swap_colours(model: onnx.ModelProto) -> None:
    last = weights(model)[-1]
    alter(last, lambda array: array[::-1].copy())


def invert_composition(model: onnx.ModelProto) -> None:
    where = node(model, "Where")
    where.input[1], where.input[2] = where.input[2], where.input[1]


def known_pixels_off_by_one(model: onnx.ModelProto) -> None:
    where, levels = node(model, "Where"), numpy_helper.from_array(np.float32(1.0), "off_by_one")
    model.graph.initializer.append(levels)
    added = onnx.helper.make_node("Sub", [where.input[2], "off_by_one"], ["pixels_off"])
    where.input[2] = "pixels_off"
    model.graph.node.insert(list(model.graph.node).index(where), added)


def bilinear(model: onnx.ModelProto) -> None:
    for entry in model.graph.node:
        if entry.op_type == "Resize":
            for attribute in entry.attribute:
                if attribute.name == "mode":
                    attribute.s = b"linear"


def brighten_picture(model: onnx.ModelProto) -> None:
    alter(next(t for t in model.graph.initializer if t.name == "picture_scale"), lambda array: array * 1.1)


LIES: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "weight scaled by 1.05": (scale_a_weight(1.05), "relative L2"),
    "weight scaled by 1.02": (scale_a_weight(1.02), "relative L2"),
    "mask polarity flipped": (flip_polarity, "relative L2"),
    "bias dropped": (drop_bias, "relative L2"),
    "colours swapped": (swap_colours, "relative L2"),
    "nearest made bilinear": (bilinear, "relative L2"),
    "composition inverted": (invert_composition, "known pixels bit-identical"),
    "known pixels off by one": (known_pixels_off_by_one, "known pixels bit-identical"),
    "picture brightened after the network": (brighten_picture, "composite follows from output"),
    "weight made NaN": (scale_a_weight(float("nan")), "no NaN or Inf"),
}


def results(report: Any) -> dict[str, str]:
    return {candidate.name: candidate.result for candidate in report.candidates}


def test_a_good_bundle_passes(shared_bundle: Bundle, checkpoint: Path, tmp_path: Path) -> None:
    bundle = copy_bundle(shared_bundle, tmp_path / "good", checkpoint)
    report = validate(bundle.path)
    assert report.passed
    found = results(report)
    assert found["onnx fp32 on onnxruntime cpu"] == "pass"
    assert found["onnx fp16, every value rounded"] == "pass"
    written = json.loads((bundle.path / "reports" / "parity.json").read_text())
    assert written["verdict"] == "pass"
    assert {entry["result"] for entry in written["candidates"]} <= {"pass", "not run"}
    strict = next(entry for entry in written["candidates"] if "rounded" in entry["name"])
    assert len(strict["cases"]) == 21
    assert strict["sha256"] == bundle.onnx("fp16").sha256


def test_what_cannot_run_here_is_not_run_with_a_reason(bundle: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine runs CUDA")
    report = validate(bundle.path)
    cuda = next(candidate for candidate in report.candidates if candidate.name == "onnx fp16 on onnxruntime cuda")
    assert cuda.result == "not run"
    assert "no CUDAExecutionProvider" in cuda.reason
    assert report.passed


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_in_the_fp32_model_is_caught(bundle: Bundle, lie: str) -> None:
    change, reason = LIES[lie]
    rewrite(bundle, "fp32", change)
    report = validate(bundle.path)
    assert not report.passed
    judged = next(candidate for candidate in report.candidates if candidate.name == "onnx fp32 on onnxruntime cpu")
    assert judged.result == "fail"
    assert reason in judged.reason
    assert results(report)["onnx fp16, every value rounded"] == "pass"  # the honest model is not blamed


@pytest.mark.parametrize("lie", [name for name in LIES if name != "picture brightened after the network"])
def test_every_lie_in_the_fp16_model_is_caught(bundle: Bundle, lie: str) -> None:
    rewrite(bundle, "fp16", LIES[lie][0])
    report = validate(bundle.path)
    assert not report.passed
    assert results(report)["onnx fp16, every value rounded"] == "fail"
    assert results(report)["onnx fp32 on onnxruntime cpu"] == "pass"


def test_a_model_that_does_not_load_or_changes_shape_fails(bundle: Bundle) -> None:
    def wrong_shape(model: onnx.ModelProto) -> None:
        last = node(model, "Transpose", last=True)
        last.attribute[0].ints[:] = [0, 2, 1, 3]

    rewrite(bundle, "fp32", wrong_shape)
    report = validate(bundle.path)
    assert results(report)["onnx fp32 on onnxruntime cpu"] == "fail"


def test_an_altered_file_is_no_verdict_but_an_error(bundle: Bundle) -> None:
    path = bundle.path / "model.fp16.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BundleError, match="was altered"):
        validate(bundle.path)


def test_another_network_is_not_compared_with(bundle: Bundle, tmp_path: Path) -> None:
    from inpaintrt.export.checkpoints import save_checkpoint

    other = make_network(seed=1)
    save_checkpoint(tmp_path / "other.ckpt", other, other.interface(image_range=(-1.0, 1.0)))
    with pytest.raises(NetworkError, match="weights are not those the bundle was exported from"):
        validate(bundle.path, checkpoint=tmp_path / "other.ckpt")
    with pytest.raises(NetworkError, match="weights are not those"):
        validate(bundle.path, network=other)
    (tmp_path / "gone.ckpt").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="no such file"):
        validate(bundle.path, checkpoint=tmp_path / "gone.ckpt")


def test_code_that_a_bundle_names_is_not_run(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = bundle.path / "bundle.json"
    values = json.loads(document.read_text())
    values["source"] = {
        "kind": "factory",
        "network": "os:mkdir",
        "arguments": {"path": "owned"},
        "weights_sha256": "0" * 64,
    }
    document.write_text(json.dumps(values))
    with pytest.raises(NetworkError, match="code that a bundle names is not run"):
        validate(bundle.path)
    assert not (tmp_path / "owned").exists()
    for source in ({"kind": "checkpoint", "path": 5}, {"kind": "checkpoint"}, {"kind": "factory", "arguments": []}, {}):
        values["source"] = source
        document.write_text(json.dumps(values))
        with pytest.raises((BundleError, NetworkError)):
            validate(bundle.path)


def test_a_network_in_memory_is_compared_with_itself(network: PConvUNet, dynamic_bundle: Bundle) -> None:
    report = validate(dynamic_bundle.path, network=network)
    assert report.passed
    cases = {case.case for case in report.candidates[0].cases}
    assert any(case.endswith("32x96") for case in cases)  # not square
    assert any(case.endswith("96x96") for case in cases)
    with pytest.raises(NetworkError, match="from a network in memory"):
        validate(dynamic_bundle.path)


GOOD = {"finite": True, "mask_equal": True, "known_equal": True, "relative_l2": 1e-6, "composition_difference": 0}


def case(
    name: str = "x", levels: float = 0.1, error: int = 0, values: int = 1000, disturbed: float = 0.0
) -> CaseMetrics:
    return CaseMetrics(
        name, **GOOD, hole_values=values, max_difference=error, within_one=values if error <= 1 else values - 1,
        squared_error=float(error**2), disturbed_levels=levels, disturbed_squared_error=disturbed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ([case()], "pass"),
        ([case(error=3, values=100_000)], "pass"),
        ([case(error=4, values=100_000)], "fail"),
        ([case(error=2, values=500)], "fail"),  # one value in 500 is more than 0.1 %
        ([case(), replace(case("y"), finite=False)], "fail"),
        ([case(), replace(case("y"), known_equal=False)], "fail"),
        ([case(), replace(case("y"), mask_equal=None)], "fail"),
        ([case(), replace(case("y"), max_difference=None)], "fail"),
        ([case(levels=50.0, error=90, disturbed=2500.0)], "pass"),  # ill-conditioned, 5 dB worse than its weights alone
        ([case(levels=50.0, error=250, disturbed=2500.0)], "fail"),  # 14 dB worse
    ],
)  # fmt: skip
def test_the_verdict_over_a_corpus(metrics: list[CaseMetrics], expected: str) -> None:
    assert verdict(judge(metrics, "fp16", Tolerances(), has_mask=True)) == expected


def test_nothing_shown_is_no_pass() -> None:
    assert verdict(judge([CaseMetrics("x")], "fp16", Tolerances(), has_mask=False)) == "not run"


def test_metrics_by_hand() -> None:
    assert relative_l2(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == pytest.approx(4 / 3)
    assert relative_l2(np.zeros(2), np.zeros(2)) == 0
    assert relative_l2(np.ones(2), np.zeros(2)) == np.inf
    assert psnr(4 * 255.0**2, 4) == 0
    assert psnr(100.0, 100) == pytest.approx(48.1308, abs=1e-4)

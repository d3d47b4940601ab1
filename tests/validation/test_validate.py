"""The gate: a good bundle passes, and every lie is caught for its own reason."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks.mutations.changes import swap_images
from benchmarks.mutations.graph_edits import replace_file, rewrite, scale_a_weight, scale_one_number
from inpaintrt.export import export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.errors import BundleError, CheckpointError, NetworkError
from inpaintrt.validation import validate
from inpaintrt.validation.candidates import parity
from inpaintrt.validation.candidates.runners import open_onnx
from inpaintrt.validation.judging.checks import judge, verdict
from inpaintrt.validation.judging.metrics import CaseMetrics, psnr, relative_l2
from inpaintrt.validation.judging.tolerances import Tolerances
from tests.conftest import copy_bundle, make_network
from tests.validation.alterations import LIES, epsilon_form


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
    partly = next(entry for entry in written["candidates"] if entry["name"] == FP16)
    assert [case["case"].rsplit(" ", 1)[0] for case in partly["cases"]] == [
        "irregular 0.2-0.3 border", "free-form strokes", "all hole", "one known pixel", "checkerboard"
    ]  # fmt: skip
    ran = next(check for check in partly["checks"] if check["name"] == "cases that ran")
    assert (ran["value"], ran["reason"]) == (5, "all cases run with every value rounded, which finds more")


def test_a_good_bundle_takes_at_most_120_forward_passes(bundle: Bundle) -> None:
    """Perturbed weights and FP64 are asked for only where a candidate needs an excuse, and a repetition with them."""
    work = validate(bundle.path).work
    assert (work["height"], work["width"]) == (64, 64)
    passes = work["passes"]
    excused = passes.pop("PyTorch fp32, weights perturbed", 0)
    assert excused < 21
    assert passes == {
        "PyTorch fp32": 22 + excused, FP32: 22, STRICT: 22, FP16: 6, "PyTorch fp16, for comparison": 3,
    }  # fmt: skip
    assert work["total"] == 75 + 2 * excused <= 120
    rewrite(bundle, "fp32", scale_a_weight(1.02))
    more = validate(bundle.path, quick=True).work["passes"]
    assert more["PyTorch fp64"] == 4  # then it is known that it fails
    assert more["PyTorch fp32"] == 5 + 1 + 4  # PyTorch repeats itself where it is to excuse


def test_what_was_opened_is_closed(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    def opening(*arguments: Any, **options: Any) -> Any:
        runner = open_onnx(*arguments, **options)
        return replace(runner, close=lambda: closed.append(arguments[1]))

    monkeypatch.setattr(parity, "open_onnx", opening)
    validate(bundle.path, quick=True)
    assert closed == ["cpu", "cpu"]


def test_what_cannot_run_here_is_not_run_with_a_reason(bundle: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine runs CUDA")
    report = validate(bundle.path, quick=True)
    cuda = next(candidate for candidate in report.candidates if candidate.name == "onnx fp16 on onnxruntime cuda")
    assert cuda.result == "not run"
    assert "no CUDAExecutionProvider" in cuda.reason
    assert report.passed


FP32, FP16, STRICT = "onnx fp32 on onnxruntime cpu", "onnx fp16 on onnxruntime cpu", "onnx fp16, every value rounded"


def reason(report: Any, name: str) -> str:
    """Why a candidate failed."""
    judged = next(candidate for candidate in report.candidates if candidate.name == name)
    assert judged.result == "fail", judged
    return str(judged.reason)


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_is_caught_for_its_reason(bundle: Bundle, lie: str) -> None:
    change, (reason_fp32, reason_fp16) = LIES[lie]
    rewrite(bundle, "fp32", change)
    # The FP16 graph has no Resize that could be altered: upsampling is part of its convolutions and mask sums.
    both = lie != "nearest made bilinear"
    if both:
        rewrite(bundle, "fp16", change)
    report = validate(bundle.path, quick=True)
    assert not report.passed
    assert reason_fp32 in reason(report, FP32)
    for name in (FP16, STRICT) if both else ():
        assert reason_fp16 in reason(report, name)


@pytest.mark.parametrize(("precision", "honest"), [("fp32", STRICT), ("fp16", FP32)])
def test_the_honest_model_is_not_blamed(bundle: Bundle, precision: str, honest: str) -> None:
    rewrite(bundle, precision, scale_a_weight(1.02))
    report = validate(bundle.path, quick=True)
    assert not report.passed
    assert results(report)[honest] == "pass"


@pytest.mark.slow
def test_one_altered_number_of_the_fp16_model_is_found(bundle: Bundle) -> None:
    rewrite(bundle, "fp16", scale_one_number)
    found = reason(validate(bundle.path, quick=True), FP16)
    assert "FP16 weights are the FP32 weights, rounded" in found
    assert re.search(r"conv\.weight_\S*: 1 of \d+ values, most at \[1, 2, 0, 1\]", found)


def test_an_fp16_model_that_is_none_is_found(bundle: Bundle) -> None:
    replace_file(bundle, "model.fp16.onnx", (bundle.path / "model.fp32.onnx").read_bytes())
    assert "share of multiply-adds in FP16 0 " in reason(validate(bundle.path, quick=True), FP16)


def test_the_epsilon_form_in_fp16_is_caught_and_its_node_named(bundle: Bundle) -> None:
    rewrite(bundle, "fp16", epsilon_form)
    found = reason(validate(bundle.path, quick=True), STRICT)
    assert "no NaN or Inf" in found
    assert "first at Div w_over_s, which overflows" in found


def test_images_of_a_batch_that_are_swapped_are_caught(network: PConvUNet, tmp_path: Path) -> None:
    interface = network.interface(image_range=(-1.0, 1.0))
    bundle = export_onnx(network, tmp_path / "two", interface=interface, size=(32, 32), batch=2)
    rewrite(bundle, "fp32", swap_images)
    report = validate(bundle.path, network=network)
    assert "images of the batch look swapped" in reason(report, FP32)
    assert results(report)[STRICT] == "pass"


@pytest.mark.slow
@pytest.mark.parametrize("io", ["image", "tensor"])
def test_a_bundle_of_either_kind_is_judged_by_its_images(network: PConvUNet, tmp_path: Path, io: Any) -> None:
    interface = network.interface(image_range=(-1.0, 1.0))
    bundle = export_onnx(network, tmp_path / "b", interface=interface, size=(32, 32), io=io)
    assert validate(bundle.path, network=network, quick=True).passed
    rewrite(bundle, "fp16", scale_a_weight(1.2))
    assert "PSNR in holes" in reason(validate(bundle.path, network=network, quick=True), STRICT)


@pytest.mark.slow
def test_an_engine_that_took_another_ones_place_is_found_without_a_gpu(
    bundle: Bundle, network: PConvUNet, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    from inpaintrt.engines import build_engines

    other = export_onnx(make_network(seed=1), tmp_path / "other", size=(64, 64))
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    foreign = build_engines(other.path, target="sm89")[0].artifact
    name = f"tensorrt-rtx {engine.backend_version} fp16 for sm89"
    report = validate(bundle.path, quick=True)
    assert report.passed
    assert next(c for c in report.candidates if c.name == name).checks[0].result == "pass"
    replace_file(bundle, engine.path, (other.path / foreign.path).read_bytes())
    found = reason(validate(bundle.path, quick=True), name)
    assert f"the file was built from model {other.onnx('fp16').sha256[:12]}, not from" in found


def test_a_model_that_does_not_load_or_changes_shape_fails(bundle: Bundle) -> None:
    def wrong_shape(model: onnx.ModelProto) -> None:
        # The last transposition but the mask's makes rows and columns of channels.
        transpose = [entry for entry in model.graph.node if entry.op_type == "Transpose"][-2]
        transpose.attribute[0].ints[:] = [0, 2, 1, 3]

    rewrite(bundle, "fp32", wrong_shape)
    report = validate(bundle.path, quick=True)
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
    assert any("32x96" in case for case in cases)  # not square
    assert any("96x96 by 3" in case for case in cases)
    with pytest.raises(NetworkError, match="from a network in memory"):
        validate(dynamic_bundle.path)


GOOD = {"finite": True, "mask_equal": True, "known_equal": True, "relative_l2": 1e-6, "composition_difference": 0}


def case(
    name: str = "x", levels: float = 0.1, error: int = 0, values: int = 1000, perturbed: float = 0.0
) -> CaseMetrics:
    return CaseMetrics(
        name, **GOOD, hole_values=values, max_difference=error, within_one=values if error <= 1 else values - 1,
        squared_error=float(error**2), perturbed_levels=levels, perturbed_squared_error=perturbed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ([case()], "pass"),
        ([case(error=3, values=100_000)], "pass"),
        ([case(error=4, values=100_000)], "fail"),
        ([case(error=2, values=500)], "pass"),  # one value in 500 is more than 0.1 %, and 500 values are no statistics
        ([replace(case(error=2, values=3000), within_one=2996)], "fail"),  # four in 3,000 are
        ([case(), replace(case("y"), finite=False)], "fail"),
        ([case(), replace(case("y"), known_equal=False)], "fail"),
        ([case(), replace(case("y"), mask_equal=None)], "fail"),
        ([case(), replace(case("y"), max_difference=None)], "fail"),
        ([case(levels=50.0, error=90, perturbed=2500.0)], "pass"),  # ill-conditioned, 5 dB worse than its weights alone
        ([case(levels=50.0, error=250, perturbed=2500.0)], "fail"),  # 14 dB worse
    ],
)  # fmt: skip
def test_the_verdict_over_a_corpus(metrics: list[CaseMetrics], expected: str) -> None:
    assert verdict(judge(metrics, "fp16", Tolerances(), has_mask=True, cases=len(metrics))) == expected


def test_nothing_shown_is_no_pass() -> None:
    assert verdict(judge([CaseMetrics("x")], "fp16", Tolerances(), has_mask=False, cases=1)) == "fail"


def test_a_case_that_did_not_run_is_no_pass() -> None:
    checks = judge([case()], "fp16", Tolerances(), has_mask=True, cases=2)
    assert [check.name for check in checks if check.result == "fail"] == ["cases that ran"]


def test_metrics_by_hand() -> None:
    assert relative_l2(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == pytest.approx(4 / 3)
    assert relative_l2(np.zeros(2), np.zeros(2)) == 0
    assert relative_l2(np.ones(2), np.zeros(2)) == np.inf
    assert psnr(4 * 255.0**2, 4) == 0
    assert psnr(100.0, 100) == pytest.approx(48.1308, abs=1e-4)

"""What validation does besides its verdict: a bundle's own limits, baselines, JUnit, drift, latency, own images."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from PIL import Image

from benchmarks.mutations.graph_edits import rewrite, scale_a_weight, scale_one_number
from inpaintrt.export import export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.errors import BundleError, ImageError, UsageError
from inpaintrt.validation import validate
from inpaintrt.validation.candidates.parity import STRICT, inputs_for
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.images import find_pairs
from inpaintrt.validation.cases.job import Job, make_plan, open_job
from inpaintrt.validation.judging.findings import ValidationReport
from inpaintrt.validation.judging.metrics import relative_l2
from inpaintrt.validation.judging.tolerances import Tolerances, choose_tolerances
from inpaintrt.validation.latency.measure import measure_latency, profile_shapes
from inpaintrt.validation.latency.timing import percentiles, time_in_turns
from inpaintrt.validation.reports.junit import write_junit
from inpaintrt.validation.run import Extras
from tests.conftest import random_image


@pytest.fixture(scope="session")
def shared_small(network: PConvUNet, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """32x32, so that a validation takes a second. Not to be changed."""
    folder = tmp_path_factory.mktemp("small") / "bundle"
    return export_onnx(network, folder, interface=network.interface(image_range=(-1.0, 1.0)), size=(32, 32))


@pytest.fixture
def small(shared_small: Bundle, tmp_path: Path) -> Bundle:
    """A copy that a test may spoil."""
    return Bundle.open(shutil.copytree(shared_small.path, tmp_path / "s"))


def strict(report: ValidationReport) -> Any:
    return next(candidate for candidate in report.candidates if candidate.name == STRICT)


def test_limits_of_a_bundles_own_are_used_and_named(small: Bundle, network: PConvUNet) -> None:
    rewrite(small, "fp16", scale_a_weight(1.2))
    assert not validate(small.path, network=network, quick=True).passed
    limits = {
        "fp16_error": 1e9,
        "max_difference": 255,
        "within_one": 0,
        "psnr": 0,
        "excess": 1e9,
        "mean_difference": 255,
    }
    own = small.path / "tolerances.json"
    own.write_text(json.dumps({"limits": limits, "reason": "agreed with the customer"}))
    report = validate(small.path, network=network, quick=True)
    assert report.passed
    assert ("psnr", 0, 50.0) in report.tolerances.limits.loosened()
    written = json.loads((small.path / "reports" / "parity.json").read_text())
    assert written["tolerances_from"] == {
        "source": "tolerances.json of the bundle",
        "reason": "agreed with the customer",
    }
    assert {entry["name"] for entry in written["loosened"]} == set(limits)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices"),
        ('{"psnr": 3}', "lacks 'limits'"),
        ('{"limits": {"psrn": 3}}', "no limit is called 'psrn'"),
        ('{"limits": {"psnr": "low"}}', "psnr is 'low', expected a number"),
        ('{"limits": {"psnr": NaN}}', "expected a number"),
    ],
)
def test_malformed_limits_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "tolerances.json").write_text(content)
    with pytest.raises(BundleError, match=reason):
        choose_tolerances(tmp_path)


def test_limits_of_one_run(tmp_path: Path) -> None:
    chosen = choose_tolerances(tmp_path, ["psnr=60", "max_difference=2"])
    assert chosen.limits == Tolerances(psnr=60, max_difference=2)
    assert chosen.limits.loosened() == []
    with pytest.raises(UsageError, match="expected NAME=NUMBER"):
        choose_tolerances(tmp_path, ["psnr"])
    with pytest.raises(UsageError, match="no limit is called 'ssim'"):
        choose_tolerances(tmp_path, ["ssim=1"])


@pytest.mark.slow
def test_a_baseline_tells_what_got_worse(small: Bundle, network: PConvUNet, tmp_path: Path) -> None:
    first = validate(small.path, network=network, quick=True)
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(first.to_dict()))
    same = validate(small.path, network=network, quick=True, extras=Extras(baseline=stored, margin=0.0))
    assert same.passed
    assert same.extras["baseline"]["compared"] == 3
    values = json.loads(stored.read_text())
    for candidate in values["candidates"]:
        for check in candidate["checks"]:
            if check["name"] == "PSNR in holes, dB" and check["value"] is not None:
                check["value"] += 10
    stored.write_text(json.dumps(values))
    worse = validate(small.path, network=network, quick=True, extras=Extras(baseline=stored, margin=0.5))
    assert not worse.passed
    assert all(candidate.result != "fail" for candidate in worse.candidates)
    assert any("PSNR in holes, dB was" in line for line in worse.extras["baseline"]["worse"])
    with pytest.raises(UsageError, match="compare like with like"):
        validate(small.path, network=network, quick=True, seed=1, extras=Extras(baseline=stored))
    stored.write_text(json.dumps(values | {"schema_version": 3}))
    with pytest.raises(UsageError, match="schema_version is 3, expected 4"):
        validate(small.path, network=network, extras=Extras(baseline=stored))
    stored.write_text("{}")
    with pytest.raises(UsageError, match=r"is no parity\.json of this release"):
        validate(small.path, network=network, quick=True, extras=Extras(baseline=stored))


@pytest.mark.slow
def test_a_page_of_an_earlier_run_does_not_stay(small: Bundle, network: PConvUNet) -> None:
    reports = small.path / "reports"
    validate(small.path, network=network, quick=True, extras=Extras(html=True))
    assert (reports / "report.html").exists()
    validate(small.path, network=network, quick=True)
    assert sorted(path.name for path in reports.iterdir()) == ["parity.json"]


def test_junit_says_what_failed_and_what_did_not_run(small: Bundle, network: PConvUNet, tmp_path: Path) -> None:
    rewrite(small, "fp16", scale_one_number)
    report = validate(small.path, network=network, quick=True)
    write_junit(report, tmp_path / "junit.xml")
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    assert len(suites) == sum(candidate.judged for candidate in report.candidates)
    failure = suites[STRICT].find("testcase/failure")
    assert failure is not None
    assert "FP16 weights are the FP32 weights, rounded" in str(failure.get("message"))
    assert suites["onnx fp32 on onnxruntime cpu"].get("failures") == "0"
    skipped = suites["onnx fp32 on onnxruntime cuda"].find("testcase/skipped")
    if skipped is None:
        pytest.skip("this machine runs CUDA")
    assert "no CUDAExecutionProvider" in str(skipped.get("message"))


def models(job: Job) -> tuple[ir.Model, ir.Model]:
    half, single = (
        ir.from_proto(onnx.load_from_string(job.bundle.file(job.bundle.onnx(name)))) for name in ("fp16", "fp32")
    )
    return half, single


def test_switched_fp16_is_strict_fp16_with_all_on_and_fp32_with_all_off(small: Bundle, network: PConvUNet) -> None:
    with open_job(small.path, network=network) as job:
        half, single = models(job)
        expected = job.reference.run(make_plan(job.bundle, None, None, 0).batches[3])
        inputs = inputs_for(job.bundle, expected)
        switched = StrictFp16(half, ("output",), single)
        exact = StrictFp16(half, ("output",)).run(inputs).outputs["output"]
        everything = list(range(len(switched.nodes)))
        assert (switched.run(inputs).outputs["output"] == exact).all()
        assert relative_l2(exact, expected.output) > 1e-4
        assert relative_l2(switched.run(inputs, everything).outputs["output"], expected.output) < 1e-5


def test_strict_fp16_names_the_node_that_underflows_where_it_matters() -> None:
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    shrink, grow = np.float16(1e-6), np.float16(1e4)
    nodes = [
        onnx.helper.make_node("Cast", ["image"], ["x"], to=half),
        onnx.helper.make_node("Mul", ["x", "shrink"], ["tiny"]),
        onnx.helper.make_node("Mul", ["tiny", "grow"], ["y"]),
        onnx.helper.make_node("Cast", ["y"], ["output"], to=single),
    ]
    graph = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("image", single, [1, 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("output", single, [1, 3, 8, 8])],
        [onnx.numpy_helper.from_array(array, name) for name, array in (("shrink", shrink), ("grow", grow))],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    strict = StrictFp16(ir.from_proto(model))
    small = strict.run({"image": np.full((1, 3, 8, 8), 0.037, np.float32)})
    assert small.first_underflow == "Mul tiny"
    assert small.first_non_finite is None
    assert strict.run({"image": np.full((1, 3, 8, 8), 1024.0, np.float32)}).first_underflow is None
    assert "Cast x" in str(strict.run({"image": np.full((1, 3, 8, 8), 1e6, np.float32)}).first_non_finite)


@pytest.mark.slow
def test_what_is_suggested_meets_the_limits_once_exported(small: Bundle, network: PConvUNet, tmp_path: Path) -> None:
    # Only where a limit is passed is a case measured against rounded weights, so here every case must be.
    plain = strict(validate(small.path, network=network, tolerances=Tolerances(fp16_error=0)))
    ratio = next(c.value for c in plain.checks if c.name.startswith("error of output"))
    limits = Tolerances(fp16_error=0.8 * ratio)
    report = validate(small.path, network=network, tolerances=limits, extras=Extras(suggest=True))
    assert strict(report).result == "fail"
    drift = report.extras["drift"]
    added = [row["added"] for row in drift["nodes"]]
    assert len(added) == 10
    assert added == sorted(added, reverse=True)
    assert 0 < len(drift["keep_fp32"]) < 40
    interface = network.interface(image_range=(-1.0, 1.0))
    kept = export_onnx(network, tmp_path / "k", interface=interface, size=(32, 32), keep_fp32=drift["keep_fp32"])
    assert strict(validate(kept.path, network=network, tolerances=limits)).result == "pass"


@pytest.mark.slow
def test_nothing_is_suggested_where_nothing_is_wrong_or_rounding_is_not(small: Bundle, network: PConvUNet) -> None:
    fine = validate(small.path, network=network, extras=Extras(suggest=True)).extras["drift"]
    assert fine["keep_fp32"] == []
    assert "there is nothing to keep" in fine["suggestion"]
    for precision in ("fp32", "fp16"):
        rewrite(small, precision, scale_a_weight(1.3))
    wrong = validate(small.path, network=network, extras=Extras(suggest=True)).extras["drift"]
    assert wrong["keep_fp32"] is None
    assert "rounding is not what is wrong" in wrong["suggestion"]


def save(folder: Path, name: str, image: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(image).save(folder / name)


def test_own_images_and_masks(small: Bundle, network: PConvUNet, tmp_path: Path) -> None:
    image, hole = random_image(50, 40)
    save(tmp_path / "images", "a.png", image)
    save(tmp_path / "masks", "a.png", hole)
    save(tmp_path / "masks", "b.png", np.zeros((20, 30), np.bool_))
    report = validate(small.path, network=network, images=tmp_path / "images", masks=tmp_path / "masks")
    cases = {case.case: case for case in report.candidates[0].cases}
    assert len(cases) == 23
    assert cases["mask a 32x32"].hole_values
    assert cases["mask b 32x32"].hole_values == 0
    assert "2 masks of" in report.images
    save(tmp_path / "masks", "a.png", np.zeros((50, 41), np.bool_))
    with pytest.raises(ImageError, match=r"a\.png: is 41x50, but .*a\.png is 40x50; make the mask the same size"):
        find_pairs(tmp_path / "masks", [tmp_path / "images" / "a.png"])


def test_latency_of_everything_that_runs_here(small: Bundle, network: PConvUNet) -> None:
    with open_job(small.path, network=network) as job:
        assert profile_shapes(job.bundle.interface.profile) == [(1, 32, 32)]
        latency = measure_latency(job, rounds=4, compiled=())
    (shape,) = latency["shapes"]
    rows = shape["rows"]
    device = latency["device"]
    for name in ("PyTorch eager fp32", "PyTorch eager fp16", f"onnx fp32 on onnxruntime {device}",
                 f"plain torch.onnx.export on onnxruntime {device}"):  # fmt: skip
        row = rows[name]
        times = row["end to end"]
        assert 0 < times["p50"] <= times["p90"] <= times["p99"]
        assert row["throughput"] == pytest.approx(1 / times["p50"])
        assert row["first_seconds"] > 0
    assert rows[f"plain torch.onnx.export on onnxruntime {device}"]["speed_up"] == 1
    assert rows[f"onnx fp32 on onnxruntime {device}"]["sha256"] == small.onnx("fp32").sha256
    assert not any("torch.compile" in name for name in rows)
    assert latency["hardware"]["cpu"]


def test_candidates_take_turns() -> None:
    calls: list[str] = []
    taken = time_in_turns({name: (lambda name=name: calls.append(name)) for name in "ab"}, rounds=3, warm_ups=1)  # type: ignore[misc]
    assert calls == list("ab" * 4)
    assert [len(seconds) for seconds in taken.values()] == [3, 3]
    assert len(time_in_turns({"x": lambda: None}, rounds=50, seconds=0.0)["x"]) == 2


@pytest.mark.parametrize(("values", "expected"), [([1.0], (1, 1, 1)), (list(range(101)), (50, 90, 99))])
def test_percentiles(values: Sequence[float], expected: tuple[float, ...]) -> None:
    assert tuple(percentiles(values).values()) == pytest.approx(expected)


def test_soft_masks_are_compared_as_numbers_and_others_bit_for_bit() -> None:
    from inpaintrt.validation.judging.comparison import same_mask

    hard, soft = np.array([0.0, 1.0, 1.0], np.float32), np.array([0.0, 0.3, 1.0], np.float32)
    assert same_mask(hard, hard)
    assert not same_mask(hard - np.float32(1e-7), hard)
    assert same_mask(soft + np.float32(1e-6), soft)
    assert not same_mask(soft + np.float32(1e-4), soft)

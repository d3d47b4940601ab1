"""Plans of real TensorRT-RTX builds on the CPU: kept with the engine, checked, and never at the engine's cost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest

from inpaintrt.engines import build, build_engines, plan_log
from inpaintrt.engines.kernel_plan import plan_of, read_plan, resize, sizes_of
from inpaintrt.engines.plan import KernelPlan, PlanError
from inpaintrt.engines.store import input_axes
from inpaintrt.export.graph.analysis.multiply_adds import fp16_share
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.bundle import Profile
from inpaintrt.runtime.errors import BundleError
from tests.conftest import copy_bundle, export_checkpoint

from .test_build import rtx

pytestmark = rtx


def test_an_engine_comes_with_its_plan(bundle: Bundle) -> None:
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    stored = Bundle.open(bundle.path)
    artifact = plan_of(stored, engine)
    assert artifact is not None
    assert artifact.path == engine.path + ".plan.json"
    assert (artifact.target, artifact.precision, artifact.key) == ("sm89", "fp16", engine.key)
    document = json.loads(stored.file(artifact))
    totals = document["totals"]
    assert totals["kernels"] == len(document["kernels"]) > 10
    assert totals["bytes"] == sum(kernel["bytes"] for kernel in document["kernels"])
    assert {"name", "kind", "nodes", "inputs", "outputs", "constants", "bytes", "stream"} <= set(document["kernels"][0])
    plan = read_plan(stored, engine)
    assert plan.to_document() == document


def test_every_node_of_a_plan_is_one_of_the_model_and_all_its_products_are_counted(bundle: Bundle) -> None:
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    stored = Bundle.open(bundle.path)
    plan = read_plan(stored, engine)
    model = onnx.load_from_string(stored.file(stored.onnx("fp16")))
    named = {node for kernel in plan.kernels for node in kernel.nodes}
    assert named <= {node.name for node in model.graph.node}
    products = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    assert {node.name for node in products} <= named
    counted = plan.totals()["multiply_adds"]
    share = fp16_share(ir.from_proto(model), stored.interface.input_shapes(1, 64, 64))
    assert counted["fp16"] / sum(counted.values()) == pytest.approx(share, abs=1e-3)


def test_an_altered_plan_is_refused_and_built_again(bundle: Bundle) -> None:
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    path = bundle.path / (engine.path + ".plan.json")
    path.write_bytes(path.read_bytes().replace(b"kernels", b"colonels", 1))
    with pytest.raises(BundleError, match="was altered"):
        read_plan(Bundle.open(bundle.path), engine)
    assert not build_engines(bundle.path, target="sm89")[0].up_to_date
    read_plan(Bundle.open(bundle.path), engine)


def test_a_plan_leaves_the_engine_as_it_is(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detailed verbosity, from which the plan comes, does not change one byte."""
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    make = build._make_config
    seen = []

    def without_details(*arguments: Any, **options: Any) -> Any:
        seen.append(options.pop("detailed"))
        return make(*arguments, **options)

    monkeypatch.setattr(build, "_make_config", without_details)
    (bundle.path / engine.path).unlink()
    plain = build_engines(bundle.path, target="sm89")[0]
    assert seen == [True]
    assert plain.artifact.sha256 == engine.sha256


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (lambda log: log.replace("Outputs:", "Gives:"), "kernel 1 of the build log is not understood"),
        (lambda log: "", "the build log lists no kernels"),
    ],
)
def test_words_that_are_not_understood_cost_the_plan_and_not_the_engine(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, words: Any, reason: str
) -> None:
    from inpaintrt.engines import kernel_plan

    monkeypatch.setattr(kernel_plan, "parse_log", lambda log: plan_log.parse_log(words(log)))
    engine = build_engines(bundle.path, target="sm89", plan=True)[0].artifact
    stored = Bundle.open(bundle.path)
    assert len(stored.file(engine)) > 10_000
    with pytest.raises(PlanError, match=f"no plan: {reason}"):
        read_plan(stored, engine)
    assert build_engines(bundle.path, target="sm89", plan=True)[0].up_to_date


def test_a_defect_of_the_reader_costs_the_plan_and_not_the_engine(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inpaintrt.engines import kernel_plan

    monkeypatch.setattr(kernel_plan, "resize", lambda *_: 1 // 0)
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    with pytest.raises(PlanError, match="no plan: ZeroDivisionError"):
        read_plan(Bundle.open(bundle.path), engine)


@pytest.mark.slow
def test_an_engine_for_many_sizes_has_a_plan_at_each(dynamic_bundle: Bundle, tmp_path: Path) -> None:
    bundle = copy_bundle(dynamic_bundle, tmp_path / "copy", Path("none"))
    engine = build_engines(bundle.path, target="sm89")[0].artifact
    stored = Bundle.open(bundle.path)
    plan = read_plan(stored, engine)
    profile = stored.interface.profile
    assert (plan.batch, plan.height, plan.width) == (profile.batch[1], profile.height[1], profile.width[1])
    model, axes = stored.file(stored.onnx("fp16")), input_axes(stored)
    sized = [resize(plan, model, axes, *size) for size in sizes_of(profile)]
    for each in sized:
        open_ = [op.name for kernel in each.kernels for op in (*kernel.inputs, *kernel.outputs) if -1 in op.shape]
        assert open_ == []
    work = [sum(each.totals()["multiply_adds"].values()) for each in sized]
    moved = [each.totals()["bytes"] - each.totals()["constant_bytes"] for each in sized]
    pixels = [each.batch * each.height * each.width for each in sized]
    for index in range(1, len(sized)):
        grown = pixels[index] / pixels[0]
        assert work[index] == pytest.approx(work[0] * grown, rel=1e-6)
        assert moved[index] == pytest.approx(moved[0] * grown, rel=0.01)


@pytest.mark.slow
def test_sizes_open_in_an_engine_come_out_as_in_one_for_that_size(
    dynamic_bundle: Bundle, checkpoint: Path, tmp_path: Path
) -> None:
    """The two builds fuse a little differently: zeros around planes are kernels where sizes are open."""
    bundle = copy_bundle(dynamic_bundle, tmp_path / "copy", Path("none"))
    fixed = export_checkpoint(checkpoint, tmp_path / "fixed")
    found = []
    for each in (bundle, fixed):
        engine = build_engines(each.path, target="sm89")[0].artifact
        stored = Bundle.open(each.path)
        model, axes = stored.file(stored.onnx("fp16")), input_axes(stored)
        found.append(resize(read_plan(stored, engine), model, axes, 1, 64, 64).totals())
    assert found[0]["multiply_adds"] == found[1]["multiply_adds"]
    assert found[0]["bytes"] == pytest.approx(found[1]["bytes"], rel=0.02)


def test_sizes_of_a_profile() -> None:
    assert sizes_of(Profile((1, 1, 1), (64, 64, 64), (64, 64, 64))) == [(1, 64, 64)]
    found = sizes_of(Profile((1, 2, 2), (64, 128, 256), (64, 256, 256)))
    assert found == [(1, 64, 64), (2, 64, 64), (1, 128, 256), (2, 128, 256), (1, 256, 256), (2, 256, 256)]


def test_what_is_no_plan_is_refused() -> None:
    for content in ({}, [], {"schema_version": 1}, {"schema_version": 1, "kernels": [1], "totals": {}}):
        with pytest.raises(PlanError, match="no kernel plan"):
            KernelPlan.from_document(content)
    with pytest.raises(PlanError, match="a plan of schema version 9, expected 1"):
        KernelPlan.from_document({"schema_version": 9})


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from inpaintrt.engines.command import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_the_command_shows_plan_and_estimates(bundle: Bundle) -> None:
    options = ["--target", "sm89", "--plan", "--gpu", "l4,rtx-4090", "--json"]
    done = command(str(bundle.path), *options)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert [each["gpu"] for each in result["estimates"]] == ["L4", "GeForce RTX 4090"]
    assert all(each["note"] == "estimate, not measured" for each in result["estimates"])
    lines = done.stderr.splitlines()
    assert any(f"{result['plan']['totals']['kernels']} kernels" in line for line in lines)
    assert done.stderr.count("estimate, not measured") == 2
    times = [line.split()[0] for line in lines if "kgen" in line and "%" in line]
    assert times == sorted(times, key=float, reverse=True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--gpu", "l4", "--target", "sm89"], "--gpu gives estimates of a plan; add --plan"),
        (["--gpu", "voodoo", "--plan", "--target", "sm89"], "unknown voodoo; known are t4"),
        (["--gpu", "a10", "--plan", "--target", "sm89"], "the A10 needs an engine for sm86; add it to --target sm89"),
    ],
)
def test_gpus_that_do_not_fit_are_refused(bundle: Bundle, options: list[str], reason: str) -> None:
    done = command(str(bundle.path), *options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not Bundle.open(bundle.path).engines()

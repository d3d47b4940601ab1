"""`make gpu` rehearsed without a GPU: its whole path, so that the first real run does not end at a slip.

The driver, `cuda-core` and the libraries are stand-ins; their engines run the bundle's own ONNX model.
"""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest
from torch import nn

from benchmarks import gpu
from inpaintrt.engines.kernel_plan import SUFFIX, plan_content
from inpaintrt.engines.plan import Kernel, KernelPlan
from inpaintrt.export.interface import Interface
from inpaintrt.runtime.backends.gpu import LIBRARIES
from inpaintrt.runtime.bundle import Bundle, commit, describe_file, lock, stage
from inpaintrt.runtime.console import command_line
from inpaintrt.runtime.errors import BackendError
from inpaintrt.validation.latency import measure
from tests.conftest import make_network

from ..runtime.backends.stand_in_gpu import Machine
from ..runtime.backends.stand_in_library import Library, array_at
from ..runtime.conftest import install


@pytest.fixture
def machine() -> Machine:
    return Machine()


def small_network() -> tuple[nn.Module, Interface]:
    network = make_network()
    return network, network.interface(image_range=(-1.0, 1.0))


@pytest.fixture
def rehearsal(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Library:
    """A GPU that does not exist, one small network, two small shapes, and a folder for what is written."""
    library = install(machine, monkeypatch)
    library.capturable = True
    monkeypatch.setattr(gpu, "FAMILIES", {"small": small_network, "none": lambda: 1 / 0})
    monkeypatch.setattr(gpu, "SIZES", (32, 64))
    whole = gpu.make_batches
    monkeypatch.setattr(gpu, "make_batches", lambda *given: itertools.islice(whole(*given), 1))
    monkeypatch.setattr(gpu, "BATCHES", (1,))
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(gpu, "WORK", tmp_path / "work")
    monkeypatch.setattr(gpu, "build", lambda benchmark, folder, backend: add_engine(library, folder, backend))
    for module in (gpu, measure):
        monkeypatch.setattr(module, "describe_hardware", lambda: {"cpu": "", "gpu": {"name": "NVIDIA L4"}, "load": 0.5})
    return library


def add_engine(library: Library, folder: Path, backend: str) -> None:
    """In place of `build`: an engine of the stand-in, with a plan of one kernel; it runs the bundle's ONNX model."""
    if backend == "tensorrt-rtx":
        raise BackendError("tensorrt-rtx is not installed; pip install -e '.[rtx]'")
    bundle = Bundle.open(folder)
    session = onnxruntime.InferenceSession(bundle.file(bundle.onnx("fp32")))

    def network(addresses: dict[str, int], shapes: dict[str, tuple[int, ...]], scratch: int) -> None:
        given = {name: array_at(addresses[name], shape) for name, shape in shapes.items()}
        array_at(addresses["composite"], shapes["image"])[...] = session.run(["composite"], given)[0]

    library.network = network  # type: ignore[method-assign]
    profile = bundle.interface.profile
    kernel = Kernel("all", "kgen", ("all",), (), (), (), 0, {"fp16": 10**9})
    size = profile.batch[1], profile.height[1], profile.width[1]
    plan = plan_content(KernelPlan(backend, library.__version__, "sm89", *size, (kernel,)))
    details = {"onnx_sha256": bundle.onnx("fp16").sha256}
    made = {"backend": backend, "backend_version": library.__version__, "target": "sm89"}
    engine = describe_file(b"engine", f"engines/{backend}.engine", "engine", "fp16", details=details, **made)
    planned = describe_file(plan, engine.path + SUFFIX, "plan", "fp16", **made)
    with stage(folder / "engines", "a", b"engine") as one, stage(folder / "engines", "b", plan) as two, lock(folder):
        commit(replace(bundle, artifacts=(*bundle.artifacts, engine, planned)), {engine.path: one, planned.path: two})


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["gpu.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line(gpu.main)()
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_all_of_it_without_a_gpu(
    rehearsal: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--family", "small", "--minutes", "9") == 0
    result = json.loads((tmp_path / "results" / "nvidia-l4.json").read_text())
    steps = {step["name"]: step for step in result["steps"]}
    left_out = {name: step["reason"] for name, step in steps.items() if step["result"] != "done"}
    not_installed = "tensorrt-rtx is not installed; pip install -e '.[rtx]'"
    assert left_out == {f"small 1 x {side}x{side}: tensorrt-rtx engine": not_installed for side in (32, 64)}
    assert result["command"] == "python -m benchmarks.gpu --family small --minutes 9"
    assert result["target"] == "sm89"
    assert result["environment"]["packages"]
    small = result["families"]["small"]
    assert small["passed"]
    assert {row[0]: row[1] for row in small["validation"]}["tensorrt 1.0 fp16 for sm89"] == "pass"
    assert [shape["title"] for shape in small["latency"]["shapes"]] == ["1 x 32x32", "1 x 64x64"]
    for shape in small["latency"]["shapes"]:
        row = shape["rows"]["tensorrt fp16 for sm89"]
        assert row["estimated_seconds"] > 0
        assert row["times_the_estimate"] == row["compute"]["p50"] / row["estimated_seconds"]
    table = (tmp_path / "results" / "nvidia-l4.md").read_text()
    assert table in capsys.readouterr().out
    lines = [line for line in table.splitlines() if "tensorrt fp16" in line]
    assert len(lines) == 2
    assert all(float(line.split("|")[-2]) > 0 for line in lines)


@pytest.mark.slow
def test_a_step_that_is_impossible_says_why_and_the_rest_goes_on(
    rehearsal: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "SIZES", (32,))
    monkeypatch.setattr(gpu, "describe_hardware", lambda: {"cpu": "", "gpu": "none that nvidia-smi knows", "load": 0.5})
    assert run(monkeypatch) == 0
    result = json.loads((tmp_path / "results" / "sm89.json").read_text())  # by its target, without nvidia-smi
    steps = {step["name"]: step["reason"] for step in result["steps"]}
    assert steps["none 1 x 32x32: network"] == "ZeroDivisionError: division by zero"
    assert "small" in result["families"]
    assert run(monkeypatch, "--family", "large") == 2


def test_when_the_minutes_are_over_nothing_further_begins(
    rehearsal: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "FAMILIES", {"small": lambda: monkeypatch.setattr(gpu.Benchmark, "left", lambda _: 0.0)})
    assert run(monkeypatch) == 0
    steps = json.loads((tmp_path / "results" / "nvidia-l4.json").read_text())["steps"]
    assert [step["reason"] for step in steps[2:]] == ["the 8 minutes are over"]


def test_without_a_gpu_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "FAMILIES", {})
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(gpu, "WORK", tmp_path / "work")

    def no_gpu() -> str:
        raise BackendError("no usable NVIDIA GPU")

    monkeypatch.setattr(gpu, "local_target", no_gpu)
    assert run(monkeypatch) == 2
    assert not (tmp_path / "results").exists()
    assert json.loads((tmp_path / "work" / "steps.json").read_text())["steps"][0]["reason"] == "no usable NVIDIA GPU"


@pytest.mark.parametrize("backend", list(LIBRARIES))
def test_the_engines_are_asked_for_as_the_command_takes_it(
    shared_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BackendError, match=r"GPU|not installed"):  # and not: no such option
        gpu.build(gpu.Benchmark(60), shared_bundle.path, backend)

"""Measured beside estimated: a stand-in for the GPU and its clock, and a recorded plan."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inpaintrt.engines import build_engines, store
from inpaintrt.engines.build import Build
from inpaintrt.engines.estimate import estimated_seconds
from inpaintrt.engines.gpus import GPUS, gpu_of_device
from inpaintrt.engines.kernel_plan import read_plan
from inpaintrt.runtime import Bundle
from inpaintrt.validation.latency import measure
from inpaintrt.validation.latency.estimated import estimates_for
from inpaintrt.validation.latency.subjects import Subject

SHAPE = (1, 64, 64)
MEASURED = 0.004


LOG = Path(__file__).parents[2] / "engines" / "data" / "tensorrt-rtx-1.7.1.116-unet.log"


@pytest.fixture
def engine(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a library that says what TensorRT for RTX said of a U-Net."""
    monkeypatch.setattr(store.build, "select_library", lambda _: SimpleNamespace(__version__="1.7.1.116"))
    monkeypatch.setattr(store.build, "build_engine", lambda *_: Build(b"an engine", LOG.read_text()))
    return build_engines(bundle.path, backend="tensorrt-rtx", target="sm89")[0].artifact


def measured_on(gpu: str, bundle: Bundle, sha256: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `--latency` gives where a GPU of this name runs the engine in `MEASURED` seconds."""
    patch.setattr(measure, "_device", lambda: ("cuda", "on the GPU"))
    patch.setattr(measure, "describe_hardware", lambda: {"gpu": {"name": gpu}})
    patch.setattr(measure, "measure_rates", lambda _: None)
    patch.setattr(measure, "_plain_export", lambda *_: None)
    parts = {"time_parts": lambda _, count: {"compute": [MEASURED] * count}}
    runner = SimpleNamespace(run=lambda _: None, close=lambda: None, **parts)
    subjects = [
        Subject("the engine", "cuda", False, lambda: runner, sha256),  # type: ignore[arg-type, return-value]
        Subject("another", "cuda", True, lambda: runner),  # type: ignore[arg-type, return-value]
    ]
    patch.setattr(measure, "find_subjects", lambda *_: subjects)
    stored = Bundle.open(bundle.path)
    job = SimpleNamespace(bundle=stored, reference=SimpleNamespace(network=None))
    (shape,) = measure.measure_latency(job, shapes=[SHAPE], rounds=2)["shapes"]  # type: ignore[arg-type]
    return shape  # type: ignore[no-any-return]


def test_measured_stands_beside_estimated(engine: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = measured_on("NVIDIA L4", bundle, engine.sha256, monkeypatch)
    expected = estimated_seconds(read_plan(Bundle.open(bundle.path), engine), GPUS["l4"])
    row = shape["rows"]["the engine"]
    assert row["estimated_seconds"] == pytest.approx(expected)
    assert row["times_the_estimate"] == pytest.approx(MEASURED / expected)
    assert "times_the_estimate" not in shape["rows"]["another"]
    (words,) = shape["estimates"]
    assert words.startswith("the engine: measured 4 ms")
    assert "estimate, not measured" in words


def test_a_gpu_without_public_figures_has_no_estimate(
    engine: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = measured_on("NVIDIA GeForce RTX 4090 Laptop GPU", bundle, engine.sha256, monkeypatch)
    assert shape["estimates"] == []
    assert shape["rows"]["the engine"]["end to end"]["p50"] > 0


def test_an_engine_without_a_plan_has_no_estimate(bundle: Bundle) -> None:
    assert estimates_for(bundle, SHAPE, GPUS["l4"]) == {}


def test_gpus_are_known_by_the_whole_name_of_their_driver() -> None:
    assert gpu_of_device("Tesla T4") is GPUS["t4"]
    assert gpu_of_device("NVIDIA GeForce RTX 4090") is GPUS["rtx-4090"]
    for other in ("NVIDIA A10G", "NVIDIA GeForce RTX 3060 Ti", "NVIDIA A100-PCIE-40GB", ""):
        assert gpu_of_device(other) is None

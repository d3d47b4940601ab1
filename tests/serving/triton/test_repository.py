"""The model repository: what is in it, what becomes a new version, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from onnxruntime import InferenceSession

from inpaintrt.runtime import Bundle
from inpaintrt.runtime.bundle import Artifact
from inpaintrt.runtime.errors import BundleError, UsageError
from inpaintrt.serving.triton import TritonOptions, export_repository, repository as module
from inpaintrt.serving.triton.config import Placing, engine_config


def content(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_both_models_come_from_the_bundle(dynamic_bundle: Bundle, tmp_path: Path) -> None:
    options = TritonOptions(instances=2, threads=1, queue_delay=500)
    models = export_repository(dynamic_bundle.path, tmp_path / "deep/repository", "places", options)
    assert [(model.name, model.version, model.new) for model in models] == [
        ("places", 1, True),
        ("places_engine", 1, True),
    ]
    repository = tmp_path / "deep/repository"
    assert {"places/config.pbtxt", "places/1/model.py", "places/1/bundle/bundle.json"} < content(repository)
    copied = Bundle.open(repository / "places/1/bundle")
    assert [copied.file(artifact) for artifact in copied.artifacts]
    network = (repository / "places_engine/1/model.onnx").read_bytes()
    assert network == dynamic_bundle.file(dynamic_bundle.onnx("fp32"))
    config = (repository / "places_engine/config.pbtxt").read_text()
    assert 'input { name: "image" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }' in config
    assert "max_batch_size: 3" in config
    assert "preferred_batch_size: [ 2, 3 ] max_queue_delay_microseconds: 500" in config
    assert "count: 2 kind: KIND_CPU" in config
    assert "height 32 to 96, width 32 to 96, multiples of 8, best 2x64x64" in config


def test_a_static_network_of_one_image_has_fixed_shapes(shared_bundle: Bundle, tmp_path: Path) -> None:
    export_repository(shared_bundle.path, tmp_path, "places", TritonOptions(gpu=True))
    config = (tmp_path / "places_engine/config.pbtxt").read_text()
    assert "max_batch_size: 0" in config
    assert 'output { name: "composite" data_type: TYPE_UINT8 dims: [ 1, 64, 64, 3 ] }' in config
    assert "dynamic_batching" not in config
    assert "kind: KIND_GPU" in config
    assert "ONNX, fp16." in config
    assert "max_batch_size: 1" in (tmp_path / "places/config.pbtxt").read_text()


def test_tensors_are_those_of_the_network(dynamic_bundle: Bundle, shared_bundle: Bundle, tmp_path: Path) -> None:
    """What Triton's ONNX Runtime backend checks when it loads a model; no such backend was to be had."""
    for name, bundle in {"dynamic": dynamic_bundle, "static": shared_bundle}.items():
        export_repository(bundle.path, tmp_path, name)
        config = (tmp_path / f"{name}_engine/config.pbtxt").read_text()
        network = InferenceSession(tmp_path / f"{name}_engine/1/model.onnx", providers=["CPUExecutionProvider"])
        batched = "max_batch_size: 0" not in config
        for kind, tensors in (("input", network.get_inputs()), ("output", network.get_outputs())):
            told = re.findall(
                rf'^{kind} {{ name: "(\w+)" data_type: TYPE_(\w+) dims: \[ (.*) \] }}$', config, re.MULTILINE
            )
            expected = []
            for tensor in tensors:
                assert isinstance(tensor.shape[0], str) == batched, "Triton adds a batch that may be of any size"
                sizes = [-1 if isinstance(size, str) else size for size in tensor.shape]
                dims = ", ".join(map(str, sizes[1:] if batched else sizes))
                expected.append((tensor.name, {"tensor(uint8)": "UINT8"}[tensor.type], dims))
            assert told == expected


def test_only_a_changed_bundle_becomes_a_new_version(bundle: Bundle, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for expected in ((1, True), (1, False)):
        assert {(m.version, m.new) for m in export_repository(bundle.path, repository, "places")} == {expected}
    for version in (2, 3):
        values = json.loads((bundle.path / "bundle.json").read_text())
        values["source"]["note"] = version
        (bundle.path / "bundle.json").write_text(json.dumps(values))
        models = export_repository(bundle.path, repository, "places")
        assert [(m.version, m.new) for m in models] == [(version, True), (1, False)]
    # The version before stays, for a server that has it loaded; nothing half-written is left.
    assert {path.name for path in (repository / "places").iterdir()} == {"2", "3", "config.pbtxt"}


def test_a_failed_export_leaves_what_was_there(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    export_repository(bundle.path, repository, "places")
    before = content(repository)
    monkeypatch.setattr(module, "DIGEST", "folder/that/cannot\0be")
    with pytest.raises(ValueError, match="null byte"):
        export_repository(bundle.path, repository, "places")
    assert content(repository) == before


def engine(target: str, version: str, precision: Any = "fp16", backend: str = "tensorrt") -> Artifact:
    path = f"engines/{backend}-{version}-{target}-{precision}.engine"
    return Artifact(path, "engine", precision, "0" * 64, 1, backend, version, target, "key")


def test_an_engine_for_each_gpu_of_the_newest_tensorrt(bundle: Bundle) -> None:
    engines = [
        *(engine("sm89", "10.9.0"), engine("sm89", "10.13.2", "fp32"), engine("sm89", "10.13.2")),
        engine("sm120", "10.13.2"),
    ]
    chosen = module._engine_of_each_target(bundle, engines)
    assert [(e.target, e.precision) for e in chosen] == [("sm89", "fp16"), ("sm120", "fp16")]
    config = engine_config(bundle, "places_engine", Placing(True, 1, 100), chosen)
    assert 'cc_model_filenames { key: "8.9" value: "model.sm89.plan" }' in config
    assert 'cc_model_filenames { key: "12.0" value: "model.sm120.plan" }' in config
    assert "Needs TensorRT 10.13.2 and a GPU of sm89 (fp16), sm120 (fp16)." in config


def test_what_triton_cannot_run_is_refused(bundle: Bundle, shared_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no engine for TensorRT \(its engines: none; Triton cannot run"):
        export_repository(bundle.path, tmp_path / "r", options=TritonOptions(engine="tensorrt"))
    with pytest.raises(UsageError, match="'a b' is not a name for a Triton model"):
        export_repository(bundle.path, tmp_path / "r", "a b")
    with pytest.raises(UsageError, match="is a bundle; --output names a Triton model repository"):
        export_repository(shared_bundle.path, bundle.path, "places")
    (tmp_path / "r/places").mkdir(parents=True)
    with pytest.raises(UsageError, match="exists and is no Triton model"):
        export_repository(bundle.path, tmp_path / "r", "places")
    (bundle.path / bundle.onnx("fp32").path).write_bytes(b"altered")
    with pytest.raises(BundleError, match="was altered or is damaged"):
        export_repository(bundle.path, tmp_path / "r", "other")
    assert content(tmp_path / "r") == set()

"""What the store keeps of an engine: stand-ins for TensorRT and its GPU, as there is none here."""

from types import SimpleNamespace
from typing import Any

import pytest

from inpaintrt.engines import build_engines, store
from inpaintrt.engines.build import Build
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.backends import choice
from inpaintrt.runtime.backends.choice import find_engine
from inpaintrt.runtime.errors import BackendError

VERSION = "11.0"


def be_on(gpu: str, patch: pytest.MonkeyPatch) -> None:
    """A machine with TensorRT and one GPU of compute capability 8.9."""
    library, device = SimpleNamespace(__version__=VERSION), SimpleNamespace(name=gpu)
    patch.setattr(store.build, "select_library", lambda _: library)
    patch.setattr(store.build, "build_engine", lambda *_: Build(b"engine timed on " + gpu.encode(), ""))
    patch.setattr(choice, "load_library", lambda _: library)
    for module in (store, choice):
        patch.setattr(module, "local_target", lambda _=0: "sm89")
        patch.setattr(module, "open_device", lambda _=0: device)


def build(bundle: Bundle) -> Any:
    (built,) = build_engines(bundle.path, backend="tensorrt")
    return built


def test_an_engine_of_tensorrt_is_for_gpus_of_one_name(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    be_on("NVIDIA L4", monkeypatch)
    first = build(bundle).artifact
    assert first.details["gpu"] == "NVIDIA L4"
    assert find_engine(Bundle.open(bundle.path), "tensorrt") == first
    assert build(bundle).up_to_date
    be_on("NVIDIA GeForce RTX 4090", monkeypatch)
    with pytest.raises(BackendError, match=r"sm89 \(NVIDIA L4\).*this machine has sm89 \(NVIDIA GeForce RTX 4090\)"):
        find_engine(Bundle.open(bundle.path), "tensorrt")
    second = build(bundle)
    assert not second.up_to_date
    assert second.artifact.key != first.key
    stored = Bundle.open(bundle.path)
    assert find_engine(stored, "tensorrt") == second.artifact
    assert sorted(engine.details["gpu"] for engine in stored.engines()) == ["NVIDIA GeForce RTX 4090", "NVIDIA L4"]

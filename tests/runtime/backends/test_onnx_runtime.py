"""ONNX Runtime: padding, the GPU that was asked for, and CUDA's libraries found without torch."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime.backends.onnx_runtime import open_session, pad
from inpaintrt.runtime.errors import BackendError


def stand_in(monkeypatch: pytest.MonkeyPatch, starts: bool) -> list[Any]:
    """In place of `onnxruntime` with CUDA: notes what is called, in order."""
    log: list[Any] = []
    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"

    def session(model: bytes, options: Any, providers: Any, enable_fallback: int = 1) -> Any:
        assert enable_fallback == 0  # as the real one takes it: never on another device without a word
        log.append(providers)
        return SimpleNamespace(get_providers=lambda: [cuda, cpu] if starts else [cpu])

    def preload() -> None:
        print("Skip loading CUDA and cuDNN DLLs since torch is imported.")  # noqa: T201 - as the real one does
        log.append("preloaded")

    module = SimpleNamespace(
        SessionOptions=SimpleNamespace, InferenceSession=session, __version__="1.0",
        preload_dlls=preload, get_available_providers=lambda: [cuda, cpu],
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return log


@pytest.mark.parametrize(("device", "options"), [("cuda", {}), ("cuda:1", {"device_id": "1"})])
def test_cuda_is_loaded_before_the_session_and_on_the_gpu_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: str, options: dict[str, str]
) -> None:
    log = stand_in(monkeypatch, starts=True)
    open_session(b"", device)
    assert capsys.readouterr().out == ""  # that is for results
    assert log == ["preloaded", [("CUDAExecutionProvider", {"use_tf32": "0"} | options)]]


def test_the_cpu_needs_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    log = stand_in(monkeypatch, starts=True)
    open_session(b"", "cpu")
    assert log == [[("CPUExecutionProvider", {})]]


def test_a_provider_that_does_not_start_is_an_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, starts=False)
    with pytest.raises(BackendError, match=r"could not start CUDAExecutionProvider on cuda:1: .*\.\[gpu\]"):
        open_session(b"", "cuda:1")


def test_padding_is_a_hole_and_black_and_without_lines() -> None:
    image = np.full((1, 2, 3, 3), 7, np.uint8)
    for name, array, around in (
        ("image", image, 0),
        ("mask", image[..., 0] != 7, 1),
        ("sketch", image[..., 0] == 7, 0),
    ):
        padded = pad(name, array, (2, 4, 4))
        assert padded.dtype == np.uint8
        assert (padded[:1, :2, :3] == array).all()
        outside = np.ones(padded.shape, np.bool_)
        outside[:1, :2, :3] = False
        assert (padded[outside] == around).all()
    assert pad("image", image, (1, 2, 3)) is image

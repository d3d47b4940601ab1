"""PyTorch as a baseline: the modes, the arithmetic of each, and its copies; the GPU is a stand-in."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from inpaintrt.export.networks import PConvUNet
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.validation.candidates import torch_runner
from inpaintrt.validation.candidates.torch_runner import TorchMode, open_torch, tf32, torch_modes


@pytest.fixture
def deployed(network: PConvUNet) -> ImageNetwork:
    return ImageNetwork(TensorNetwork(network, network.interface(image_range=(-1.0, 1.0)))).eval()


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    return {"image": image, "mask": (rng.random((1, 32, 32)) < 0.3).astype(np.uint8)}


def test_a_gpu_is_measured_with_and_without_tf32_and_in_both_kinds_of_fp16() -> None:
    titles = [mode.title for mode in torch_modes("cuda")]
    for words in ("fp32", "tf32", "fp16", "fp16, half()"):
        assert {f"PyTorch eager {words}", f"torch.compile {words}"} <= set(titles)
    assert not any("tf32" in mode.title or "half" in mode.title for mode in torch_modes("cpu"))


@pytest.mark.parametrize("arithmetic", ["fp32", "autocast"])
def test_a_mode_computes_what_the_network_does(deployed: ImageNetwork, inputs: Any, arithmetic: Any) -> None:
    found = open_torch(deployed, "image", "cpu", TorchMode(arithmetic, False)).run(inputs)["0"]
    with torch.no_grad():
        expected = deployed(*(torch.from_numpy(each) for each in inputs.values())).numpy()
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= (0 if arithmetic == "fp32" else 4)


def test_half_is_of_a_copy_and_really_half(deployed: ImageNetwork, inputs: Any) -> None:
    module = torch_runner._Deployed(copy.deepcopy(deployed), "image", half=True)
    assert {each.dtype for each in module.network.tensor_network.parameters()} == {torch.float16}
    with torch.no_grad():
        (composite,) = module(*(torch.from_numpy(each) for each in inputs.values()))
    assert composite.dtype == torch.uint8
    assert {each.dtype for each in deployed.parameters()} == {torch.float32}


def test_tf32_is_as_it_was_afterwards() -> None:
    places = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [place.allow_tf32 for place in places]
    for wanted in (True, False):
        with tf32(wanted):
            assert [place.allow_tf32 for place in places] == [wanted] * 2
        assert [place.allow_tf32 for place in places] == before


class Clock:
    """A stand-in for the device: each event is a millisecond after the one before it."""

    now = 0.0

    def __init__(self, enable_timing: bool):
        assert enable_timing
        self.at = -1.0

    def record(self) -> None:
        Clock.now += 1.0
        self.at = Clock.now

    def elapsed_time(self, end: "Clock") -> float:
        return end.at - self.at


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """PyTorch that takes the CPU for a GPU, and what it was asked."""
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "Event", Clock)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: asked.append("synchronize"))
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: asked.append("step"))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: asked.append("pin") or tensor)
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, _: module)
    send = torch.Tensor.to

    def to(tensor: torch.Tensor, *args: Any, **keywords: Any) -> torch.Tensor:
        return tensor.clone() if args == ("cuda",) else send(tensor, *args, **keywords)

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch, "autocast", lambda device, **keywords: tf32(False))
    yield asked


def test_copies_go_through_pinned_memory_that_is_kept(deployed: ImageNetwork, inputs: Any, gpu: list[str]) -> None:
    runner = open_torch(deployed, "image", "cuda", TorchMode("fp32", False))
    first, second = runner.run(inputs)["0"], runner.run(inputs)["0"]
    assert (first == second).all()
    assert first is not second
    assert gpu.count("pin") == 3  # image, mask and composite, once each
    assert gpu.count("synchronize") == 2
    assert runner.time_parts is not None
    parts = runner.time_parts(inputs, 2)
    assert parts == {name: [0.001, 0.001] for name in torch_runner.PARTS}


def test_compiled_with_the_mode_that_replays_graphs(
    deployed: ImageNetwork, inputs: Any, gpu: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch, "compile", lambda module, mode: modes.append(mode) or module)
    open_torch(deployed, "image", "cuda", TorchMode("half", True)).run(inputs)
    assert modes == ["max-autotune"]
    assert "step" in gpu

"""ONNX Runtime through pinned memory: a real session on the CPU, with memory that only counts as pinned."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.validation.candidates import runners
from inpaintrt.validation.candidates.pinned_calls import PinnedCalls


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what was pinned."""
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: asked.append(tuple(tensor.shape)) or tensor)
    return asked


def model() -> bytes:
    """Two outputs: twice the image, and its largest value."""
    single = onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Add", ["image", "image"], ["double"]),
        helper.make_node("ReduceMax", ["image"], ["largest"], keepdims=0),
    ]
    image = helper.make_tensor_value_info("image", single, [None, 3])
    outputs = [helper.make_tensor_value_info("double", single, [None, 3]),
               helper.make_tensor_value_info("largest", single, [])]  # fmt: skip
    graph = helper.make_graph(nodes, "g", [image], outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(made.SerializeToString())


def test_every_call_has_its_own_results_from_memory_that_is_kept(pinned: list[tuple[int, ...]]) -> None:
    calls = PinnedCalls(open_session(model(), "cpu"), ["double", "largest"])
    images = [np.random.default_rng(seed).random((rows, 3), np.float32) for seed, rows in enumerate((2, 2, 5, 2))]
    found = [calls.run({"image": image}) for image in images]
    for image, result in zip(images, found, strict=True):
        assert (result["double"] == 2 * image).all()
        assert result["largest"] == image.max()
    assert sorted(pinned) == [(), (2, 3), (2, 3), (5, 3), (5, 3)]  # images and results of two shapes, once each


def test_latency_on_a_gpu_is_measured_so(pinned: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "check_device", lambda device: None)
    monkeypatch.setattr(runners, "open_session", lambda content, device, threads: open_session(content, "cpu", threads))
    image = np.ones((2, 3), np.float32)
    for device, wanted, count in (("cuda", True, 3), ("cuda", False, 0), ("cpu", True, 0)):
        pinned.clear()
        found = runners.open_onnx(model(), device, pinned=wanted).run({"image": image})
        assert (found["double"] == 2).all()
        assert len(pinned) == count

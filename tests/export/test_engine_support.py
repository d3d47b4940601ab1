"""What no engine takes is named at export: operator, node, line, reason and remedy; with the library and without."""

import importlib
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inpaintrt.engines.build import whole_reason
from inpaintrt.export import engine_support
from inpaintrt.export.engine_support import UNSUPPORTED, Unsupported, unsupported_nodes


def model(*nodes: onnx.NodeProto) -> bytes:
    """A graph from `x` [1,3,8,8] through nodes to `y`."""
    names = {name for node in nodes for name in node.input if name and name != "x"}
    constants = {"axis": np.array(2), "whole": np.array([-1])}
    initializers = [onnx.numpy_helper.from_array(constants[name], name) for name in sorted(names & set(constants))]
    graph = helper.make_graph(
        list(nodes), "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], initializers,
    )  # fmt: skip
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9
    ).SerializeToString()
    return content


def transform() -> bytes:
    node = helper.make_node("DFT", ["wide", "", "axis"], ["y"], name="of_channels")
    trace = node.metadata_props.add()
    trace.key = engine_support.STACK
    trace.value = (
        'File "/home/me/net.py", line 7, in forward\n    z = torch.fft.fft(x, dim=1)\n'
        'File "/venv/site-packages/torch/nn.py", line 99, in inner\n    return f(x)'
    )
    return model(helper.make_node("Unsqueeze", ["x", "whole"], ["wide"]), node)


def check_transform(found: list[Unsupported], reason: str) -> None:
    assert [(node.operator, node.node) for node in found] == [("DFT", "of_channels")]
    assert found[0].line == "/home/me/net.py:7: z = torch.fft.fft(x, dim=1)"
    assert reason in found[0].reason
    assert "last two axes" in found[0].remedy


def test_the_list_says_it_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    check_transform(unsupported_nodes(transform()), "TensorRT has no such operator")
    assert unsupported_nodes(model(helper.make_node("Relu", ["x"], ["y"]))) == []


def test_the_parser_says_it_where_it_is_installed() -> None:
    library = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    check_transform(unsupported_nodes(transform()), f"TensorRT-RTX {library.__version__} has no such operator")
    assert unsupported_nodes(model(helper.make_node("Relu", ["x"], ["y"]))) == []


def test_a_use_that_the_parser_refuses_is_named_with_its_words() -> None:
    """An operator that it has, in a form that it has not."""
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    cubic = helper.make_node("Resize", ["x", "", "", "size"], ["y"], name="enlarge", mode="nearest")
    cubic.input[:] = ["x", "", "axis"]
    found = unsupported_nodes(model(cubic))
    assert [node.node for node in found] == ["enlarge"]
    assert found[0].reason.startswith("TensorRT-RTX")
    assert len(found[0].reason) > len("TensorRT-RTX 1.7.1.116: ")


def test_the_list_is_what_the_parser_answers() -> None:
    library = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    logger = library.Logger(library.Logger.ERROR)
    builder = library.Builder(logger)
    network = builder.create_network(0)
    parser = library.OnnxParser(network, logger)
    assert [name for name in sorted(UNSUPPORTED - {"STFT"}) if parser.supports_operator(name)] == []


def test_a_builder_s_reason_is_given_whole() -> None:
    errors = [
        'ModelImporter.cpp:140: While parsing node number 48 [DFT -> "val_103"]:',
        "ModelImporter.cpp:142: --- Begin node ---\ninput: x\n",
        "ModelImporter.cpp:143: --- End node ---",
        "ModelImporter.cpp:151: ERROR: In function checkFallback:\n[6] Plugin not found",
        "ModelImporter.cpp:151: ERROR: In function checkFallback:\n[6] Plugin not found",
    ]
    words = whole_reason(errors)
    assert "\n" not in words
    assert words.endswith("ERROR: In function checkFallback: [6] Plugin not found")
    assert words.count("Plugin not found") == 1

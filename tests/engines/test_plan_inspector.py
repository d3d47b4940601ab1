"""Plans from documents as TensorRT's engine inspector is documented to give them; none was recorded on a GPU."""

import json
from typing import Any

import pytest

from inpaintrt.engines.plan import PlanError
from inpaintrt.engines.plan_inspector import parse_inspection

TEN = {"Name": "x", "Dimensions": [1, 64, 8, 8], "Format/Datatype": "Row major linear FP16 format"}
ELEVEN = {"Name": "x", "Dimensions": [1, 64, 8, 8], "Format": "Row major linear", "Datatype": "Half"}


def document(tensor: dict[str, Any], **changes: Any) -> dict[str, Any]:
    kernel = {
        "Name": "conv", "LayerType": "CaskConvolution", "Inputs": [tensor], "Outputs": [tensor | {"Name": "y"}],
        "Weights": {"Type": "Half", "Count": 36864}, "Bias": {"Type": "Half", "Count": 64}, "StreamId": 0,
        "Metadata": "[ONNX Layer: node_a]\x1f[ONNX Layer: node_b]",
    }  # fmt: skip
    return {"Layers": [kernel | changes, {"Name": "s", "LayerType": "signal"}]}


@pytest.mark.parametrize("tensor", [TEN, ELEVEN], ids=["TensorRT 10", "TensorRT 11"])
def test_both_forms_are_read(tensor: dict[str, Any]) -> None:
    (kernel,), between, memory = parse_inspection(json.dumps(document(tensor)))
    assert kernel.bytes == 2 * (2 * 64 * 64 + 36864 + 64)
    assert kernel.nodes == ("node_a", "node_b")
    assert (between["signal"], memory) == (1, {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not understood: nothing"),
        ("inspecting failed: out of memory", "is not understood: inspecting failed"),
        (json.dumps({"Layers": ["conv"]}), "gives only the name of layer 1"),
        (json.dumps({"Layers": []}), "lists no kernels"),
        (json.dumps(document({"Name": "x"})), "layer 1 of the engine inspector is not understood: KeyError"),
        (json.dumps(document(ELEVEN | {"Datatype": "Quarter"})), "unknown type 'Quarter'"),
    ],
)
def test_what_is_not_understood_is_named(text: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        parse_inspection(text)

"""Mask sums and upsampling without convolutions and Resize: bit-equal on masks, for images of any size."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from inpaintrt.export.graph.passes.shift_mask_sums import shift_mask_sums


def graph(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> ir.Model:
    """Of a mask [N,1,H,W] and an image, which the result is added to so that it is a graph of both."""
    model = helper.make_model(helper.make_graph(
        [*nodes, helper.make_node("ReduceSum", ["image"], ["all"]), helper.make_node("Add", ["s", "all"], ["y"])],
        "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"]),
              helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    ), opset_imports=[helper.make_opsetid("", 20)])  # fmt: skip
    return ir.from_proto(onnx.shape_inference.infer_shapes(model))


def run(model: ir.Model, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    feed = {"image": np.zeros((2, 3, height, width), np.float32)}
    feed["mask"] = (rng.random((2, 1, height, width)) < 0.4).astype(np.float32)
    result: np.ndarray = ReferenceEvaluator(ir.to_proto(model)).run(None, feed)[0]
    return result


def operators(model: ir.Model) -> set[str]:
    return {node.op_type for node in model.graph}


@pytest.mark.parametrize("size", [(16, 16), (17, 23)])
@pytest.mark.parametrize(
    ("window", "attributes"),
    [
        ((7, 7), {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
        ((3, 5), {"strides": [1, 2], "pads": [1, 2, 1, 2]}),
        ((3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
        ((3, 3), {"pads": [0, 1, 1, 0]}),
        ((2, 2), {}),
    ],
)
def test_window_sums_are_the_convolutions(
    window: tuple[int, int], attributes: dict[str, list[int]], size: tuple[int, int]
) -> None:
    node = helper.make_node("Conv", ["mask", "ones"], ["s"], **attributes)
    model = graph([node], ones=np.full((1, 1, *window), 3, np.float32))
    shaped, report = shift_mask_sums(model)
    assert "Conv" not in operators(shaped)
    assert report.changed == ["Conv s"]
    assert np.array_equal(run(shaped, *size), run(model, *size))


def test_upsampling_is_the_resize() -> None:
    node = helper.make_node(
        "Resize", ["mask", "", "scales"], ["s"], mode="nearest", coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )  # fmt: skip
    model = graph([node], scales=np.array([1, 1, 2, 3], np.float32))
    shaped, _ = shift_mask_sums(model)
    assert "Resize" not in operators(shaped)
    assert np.array_equal(run(shaped, 5, 7), run(model, 5, 7))


@pytest.mark.parametrize(
    ("source", "weight", "attributes"),
    [
        ("mask", np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), {}),  # a blur is no sum
        ("mask", np.ones((2, 1, 3, 3), np.float32), {}),
        ("image", np.ones((1, 3, 3, 3), np.float32), {}),
        ("mask", np.ones((1, 1, 13, 13), np.float32), {}),
        ("mask", np.ones((1, 1, 3, 3), np.float32), {"auto_pad": "SAME_UPPER"}),
    ],
)
def test_other_convolutions_stay(source: str, weight: np.ndarray, attributes: dict[str, str]) -> None:
    model = graph([helper.make_node("Conv", [source, "weight"], ["s"], **attributes)], weight=weight)
    shaped, report = shift_mask_sums(model)
    assert "Conv" in operators(shaped)
    assert report.changed == []

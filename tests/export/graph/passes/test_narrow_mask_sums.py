"""Mask sums are FP16 where FP16 holds every one of their values, and the results stay equal to the bit."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from inpaintrt.export.graph.passes.narrow_mask_sums import narrow_mask_sums
from inpaintrt.export.graph.passes.shift_mask_sums import shift_mask_sums

HALF = ir.DataType.FLOAT16
SIZE = 16


def layer(weight: np.ndarray) -> ir.Model:
    """features * (9 / max(s, 1)) * clip(s, 0, 1) for a window sum s of the mask, ratio and mask cast to FP16."""
    pads = [size // 2 for size in weight.shape[2:]] * 2
    nodes = [
        helper.make_node("Conv", ["mask", "weight"], ["s"], pads=pads),
        helper.make_node("Clip", ["s", "zero", "one"], ["updated"]),
        helper.make_node("Max", ["s", "one"], ["divisor"]),
        helper.make_node("Div", ["nine", "divisor"], ["ratio"]),
        helper.make_node("Cast", ["ratio"], ["ratio_fp16"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["updated"], ["updated_fp16"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["image"], ["features"], to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["features", "ratio_fp16"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "updated_fp16"], ["y"]),
        helper.make_node("Identity", ["updated"], ["updated_mask"]),
    ]
    numbers = {"weight": weight, "zero": np.array(0), "one": np.array(1), "nine": np.array(9)}
    shape = (1, 1, SIZE, SIZE)
    model = helper.make_model(helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE]),
         helper.make_tensor_value_info("mask", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 3, SIZE, SIZE]),
         helper.make_tensor_value_info("updated_mask", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in numbers.items()],
    ), opset_imports=[helper.make_opsetid("", 20)])  # fmt: skip
    return ir.from_proto(onnx.shape_inference.infer_shapes(model))


def types(model: ir.Model) -> dict[str, ir.DataType | None]:
    return {
        node.op_type: node.outputs[0].dtype for node in model.graph if node.op_type in ("Conv", "Clip", "Max", "Div")
    }


def run(model: ir.Model) -> list[np.ndarray]:
    onnx.checker.check_model(ir.to_proto(model).SerializeToString(), full_check=True)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
    masks = [(rng.random((1, 1, SIZE, SIZE)) < share).astype(np.float32) for share in (0, 0.3, 1)]
    session = ReferenceEvaluator(ir.to_proto(model))
    return [array for mask in masks for array in session.run(None, {"image": image, "mask": mask})]


def assert_bit_equal(first: ir.Model, second: ir.Model) -> None:
    for one, other in zip(run(first), run(second), strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@pytest.mark.parametrize("weight", [1, 3, 512, 1024])  # 9 * 512 is past 2048, and a multiple of 512
def test_sums_are_fp16_and_ratios_fp32(weight: int) -> None:
    model = layer(np.full((1, 1, 3, 3), weight))
    narrow, report = narrow_mask_sums(model)
    assert types(narrow) == {"Conv": HALF, "Clip": HALF, "Max": HALF, "Div": ir.DataType.FLOAT}
    assert set(report.changed) == {"Conv s", "Clip updated", "Max divisor"}
    assert narrow.graph.outputs[1].dtype == ir.DataType.FLOAT
    assert_bit_equal(model, narrow)


def test_window_sums_are_shifted_planes_in_fp16_too() -> None:
    model = layer(np.ones((1, 1, 3, 3)))
    shifted, report = shift_mask_sums(narrow_mask_sums(model)[0])
    assert report.changed == ["Conv s"]
    assert {node.outputs[0].dtype for node in shifted.graph if node.op_type in ("Pad", "Slice", "Add")} == {HALF}
    assert_bit_equal(model, shifted)


@pytest.mark.parametrize(
    "weight",
    [
        np.full((1, 1, 7, 7), 43),  # 49 * 43 = 2107 is odd and past 2048
        np.full((1, 1, 3, 3), 8000),  # past 65504
        np.full((1, 1, 3, 3), 1 / 9),
        np.array([1, -1, 1, 1, 1, 1, 1, 1, 1]).reshape(1, 1, 3, 3),  # parts of the sum may be what the sum is not
    ],
    ids=["2107", "72000", "a ninth", "signed"],
)
def test_sums_that_fp16_does_not_hold_stay(weight: np.ndarray) -> None:
    model = layer(weight)
    narrow, _ = narrow_mask_sums(model)
    assert types(narrow)["Conv"] == ir.DataType.FLOAT
    assert_bit_equal(model, narrow)


def test_what_it_is_given_does_not_change() -> None:
    model = layer(np.ones((1, 1, 3, 3)))
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    narrow_mask_sums(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before

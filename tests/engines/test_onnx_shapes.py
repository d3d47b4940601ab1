"""Shapes that are computed by the graph itself are known at given sizes, and so is the work."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from inpaintrt.engines.multiply_adds import multiply_adds
from inpaintrt.engines.onnx_shapes import value_shapes


def model() -> onnx.ModelProto:
    """A convolution, then a product of two matrices whose shape comes from `Shape`, `Gather` and `Mul`."""
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["features"], "conv", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Shape", ["features"], ["shape"], "shape"),
        helper.make_node("Gather", ["shape", "two"], ["height"], "gather"),
        helper.make_node("Mul", ["height", "height"], ["area"], "mul"),
        helper.make_node("Concat", ["first", "area"], ["rows"], "concat", axis=0),
        helper.make_node("Reshape", ["features", "rows"], ["matrix"], "reshape"),
        helper.make_node("Transpose", ["matrix"], ["turned"], "transpose", perm=[1, 0]),
        helper.make_node("MatMul", ["matrix", "turned"], ["scores"], "matmul"),
    ]
    constants = {"two": np.array([2]), "first": np.array([8]), "weight": np.zeros((8, 3, 3, 3), np.float32)}
    return helper.make_model(helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    ), opset_imports=[helper.make_opsetid("", 20)])  # fmt: skip


def test_computed_shapes_are_known() -> None:
    before = model()
    kept = before.SerializeToString()
    values = value_shapes(before, {"image": (1, 3, 32, 32)})
    assert values["features"] == ((1, 8, 16, 16), "fp32")
    assert values["scores"] == ((8, 8), "fp32")
    assert before.SerializeToString() == kept


def test_multiply_adds_of_each_product() -> None:
    values = value_shapes(model(), {"image": (1, 3, 32, 32)})
    assert multiply_adds(model(), values) == {
        "conv": ("fp32", 8 * 16 * 16 * 27),
        "matmul": ("fp32", 8 * 256 * 8),
    }

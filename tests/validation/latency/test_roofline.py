"""The floor: what fits into L2 does not go to DRAM."""

import numpy as np
import onnx_ir as ir
import pytest

from inpaintrt.runtime import Bundle
from inpaintrt.validation.latency.roofline import Rates, floor_for, measure_rates, traffic


def convolution() -> ir.Model:
    """16 channels of 64x64 in and out: 262,144 bytes each, and 9,216 bytes of weights."""
    x = ir.Value(name="image", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape((1, 16, 64, 64)))
    weights = ir.tensor(np.zeros((16, 16, 3, 3), np.float32), name="w")
    w = ir.Value(name="w", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape((16, 16, 3, 3)), const_value=weights)
    node = ir.node("Conv", [x, w], {"pads": [1, 1, 1, 1]}, num_outputs=1)
    graph = ir.Graph([x], list(node.outputs), nodes=[node], initializers=[w], opset_imports={"": 20})
    return ir.Model(graph, ir_version=10)


@pytest.mark.parametrize(
    ("l2", "beyond"),
    [(2**20, 0), (262_144 - 1000, 2 * 1000), (0, 2 * 262_144 + 9_216), (9_216, 2 * 262_144 - 2 * 9_216)],
)
def test_only_what_l2_cannot_hold_goes_to_dram(l2: int, beyond: int) -> None:
    moved = traffic(convolution(), {"image": (1, 16, 64, 64)}, l2)
    assert moved.total == 2 * 262_144 + 9_216
    assert moved.beyond_l2 == beyond


def test_the_floor_is_the_longest_of_three(shared_bundle: Bundle) -> None:
    slow = {"fp16": 1e9, "fp32": 1e9, "dram": 1e9, "l2": 1e9}
    quick = dict.fromkeys(slow, 1000000000000000.0)
    for name, bound in (("fp16", "arithmetic"), ("l2", "L2"), ("dram", "DRAM")):
        rates = Rates(**(quick | {name: slow[name]}), l2_bytes=1024)
        floor = floor_for(shared_bundle, (1, 64, 64), rates)
        assert floor is not None
        assert floor["bound"] == bound
        assert floor["seconds"] == max(floor["parts"].values())
        assert f"bound by {bound}" in floor["words"]
    assert floor_for(shared_bundle, (1, 64, 64), None) is None
    assert measure_rates("cpu") is None

"""Weights that the graph computes of constants become constants, however large they are."""

import numpy as np
import onnx_ir as ir
import torch
from torch.nn import functional as F

from inpaintrt.export.graph.cleanup.computed_weights import fold_computed_weights
from tests.export.graph.graphs import Layer, inputs, operators, run, traced


def test_a_weight_times_a_gain_is_a_constant() -> None:
    network = Layer(lambda s, x, m: F.conv2d(x * m, s.conv.weight * 0.7, s.conv.bias, padding=1))
    model = traced(network)
    conv = next(node for node in model.graph if node.op_type == "Conv")
    assert conv.inputs[1].const_value is not None
    with torch.no_grad():
        expected = network(*(torch.from_numpy(value) for value in inputs().values())).numpy()
    np.testing.assert_allclose(run(model, inputs())[0], expected, rtol=1e-5, atol=1e-6)


def test_what_would_grow_the_file_is_left() -> None:
    model = ir.from_onnx_text("""
        <ir_version: 9, opset_import: ["" : 20]>
        network (float[1,3,8,8] image) => (float[1,3,8,8] output)
        <float[1,3,8,1] rows = {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}, float[8] columns = {1,2,3,4,5,6,7,8}>
        {
            plane = Mul (rows, columns)
            output = Mul (image, plane)
        }
    """)
    fold_computed_weights(model.graph)
    assert operators(model) == {"Mul": 2}

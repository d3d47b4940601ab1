"""FP64 as FP32.

Some layers count their mask in double precision. TensorRT has no FP64, and ONNX Runtime no FP64 convolution on the
CPU. FP32 holds integers up to 2^24 exactly, and so every mask sum; other results change by a rounding of 2^-24.
"""

import numpy as np
import onnx_ir as ir

from ..ir_tools import replace_output

DOUBLE, FLOAT = ir.DataType.DOUBLE, ir.DataType.FLOAT


def fp64_to_fp32(model: ir.Model) -> ir.Model:
    """A copy of `model` in which nothing is FP64."""
    model = model.clone()
    graph = model.graph
    for value in [*graph.inputs, *graph.initializers.values()]:
        _retype(value)
    widened = {value for node in graph for value in node.outputs if value.dtype == DOUBLE}
    for node in list(graph):
        for name in ("to", "dtype"):
            if name in node.attributes and node.attributes[name].as_int() == DOUBLE:
                node.attributes[name] = ir.AttrInt64(name, FLOAT)
        if "value" in node.attributes and node.attributes["value"].type == ir.AttributeType.TENSOR:
            tensor = node.attributes["value"].as_tensor()
            if tensor.dtype == DOUBLE:
                node.attributes["value"] = ir.AttrTensor("value", ir.tensor(tensor.numpy().astype(np.float32)))
        for value in node.outputs:
            _retype(value)
        source = node.inputs[0] if node.inputs else None
        if node.op_type != "Cast" or source is None or widened.isdisjoint((source, node.outputs[0])):
            continue
        if source.dtype == node.outputs[0].dtype:
            replace_output(node.outputs[0], source)
            graph.remove(node, safe=True)
    return model


def _retype(value: ir.Value) -> None:
    if value.dtype != DOUBLE:
        return
    value.type = ir.TensorType(FLOAT)
    if value.const_value is not None:
        value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32), name=value.name)

"""The shape and type of every value of an ONNX model, at given sizes of its inputs.

ONNX's own inference gives up where a shape is computed by nodes (`Shape`, `Gather`, `Mul`, .. into `Reshape`). Here
such nodes are evaluated as soon as what they need is known, and inference goes on from there.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

SMALL = 4096
"""Elements of a constant that may be part of a shape computation; larger ones are weights."""

ROUNDS = 64
"""No model has more shape computations one after the other."""

Values = dict[str, tuple[tuple[int, ...], str]]
"""For each value, its shape and its type: `fp16`, `fp32`, or ONNX's name of another."""


def value_shapes(model: Any, sizes: Mapping[str, tuple[int, ...]]) -> Values:
    """Shapes of all values whose shape follows from the inputs' sizes.

    Args:
        model: `onnx.ModelProto`; it stays as it is.
        sizes: for each input of the graph, its shape.
    """
    import onnx

    light = _without_weights(model)
    for value in light.graph.input:
        if value.name in sizes:
            value.CopyFrom(onnx.helper.make_tensor_value_info(
                value.name, value.type.tensor_type.elem_type, sizes[value.name]
            ))  # fmt: skip
    del light.graph.value_info[:]
    for value in light.graph.output:
        value.type.tensor_type.ClearField("shape")
    for _ in range(ROUNDS):
        inferred = onnx.shape_inference.infer_shapes(light, data_prop=True)
        values = _known(inferred.graph)
        if not _evaluate(light, values):
            return values
    return values


def _without_weights(model: Any) -> Any:
    """A copy whose large constants are inputs without data."""
    import onnx

    light = onnx.ModelProto()
    light.CopyFrom(model)  # shared text and small tensors; the large ones are dropped at once
    large = [t for t in light.graph.initializer if np.prod(t.dims) > SMALL]
    for tensor in large:
        light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    small = [t for t in light.graph.initializer if np.prod(t.dims) <= SMALL]
    kept = [onnx.TensorProto.FromString(t.SerializeToString()) for t in small]
    del light.graph.initializer[:]
    light.graph.initializer.extend(kept)
    return light


def _known(graph: Any) -> Values:
    import onnx

    names = {onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.FLOAT: "fp32"}
    values: Values = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
            type_name = names.get(kind.elem_type, onnx.TensorProto.DataType.Name(kind.elem_type).lower())
            values[value.name] = tuple(d.dim_value for d in kind.shape.dim), type_name
    for tensor in graph.initializer:
        type_name = names.get(tensor.data_type, onnx.TensorProto.DataType.Name(tensor.data_type).lower())
        values[tensor.name] = tuple(tensor.dims), type_name
    return values


def _evaluate(model: Any, values: Values) -> bool:
    """Make constants of the shape computations that are known by now; whether there were any."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = False
    for node in list(model.graph.node):
        outputs: list[Any] | None = None
        if node.op_type == "Shape" and node.input[0] in values:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            shape = values[node.input[0]][0]
            outputs = [np.array(shape[attributes.get("start", 0) : attributes.get("end", len(shape))], np.int64)]
        elif all(name in constants for name in node.input if name) and not node.op_type.startswith("Random"):
            feed = {name: constants[name] for name in node.input if name}
            outputs = list(ReferenceEvaluator(node).run(None, feed))
        if outputs is None or any(np.size(output) > SMALL for output in outputs):
            continue
        for name, output in zip(node.output, outputs, strict=True):
            constants[name] = np.asarray(output)
            model.graph.initializer.append(onnx.numpy_helper.from_array(constants[name], name))
        model.graph.node.remove(node)
        found = True
    return found

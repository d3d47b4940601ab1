"""Edits of a bundle's models that leave it a valid bundle: each file's sha256 is recorded again."""

import hashlib
import json
from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from inpaintrt.export.graph.passes.image_io import PREFIX
from inpaintrt.runtime import Bundle

Change = Callable[[onnx.ModelProto], None]


class NotApplicableError(Exception):
    """The model has nothing of the kind that is to be altered."""


def rewrite(bundle: Bundle, precision: str, change: Change) -> None:
    """Alter a model and record its new sha256: a lie, not damage."""
    path = bundle.path / bundle.onnx(precision).path
    model = onnx.load_from_string(path.read_bytes())
    change(model)
    replace_file(bundle, path.name, model.SerializeToString())


def replace_file(bundle: Bundle, name: str, content: bytes) -> None:
    """Put another file in an artifact's place and record its sha256."""
    (bundle.path / name).write_bytes(content)
    document = bundle.path / "bundle.json"
    values = json.loads(document.read_text())
    for artifact in values["artifacts"]:
        if artifact["path"] == name:
            artifact["sha256"] = hashlib.sha256(content).hexdigest()
    document.write_text(json.dumps(values))


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """The kernels of convolutions with several results, in the order of the file."""
    return [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] > 1]


def alter(tensor: onnx.TensorProto, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Give a tensor other values of the same type."""
    array = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(array).astype(array.dtype)), tensor.name))


def change_weight(change: Callable[[np.ndarray], np.ndarray], number: int = 2) -> Change:
    """Alter one kernel."""
    return lambda model: alter(weights(model)[number], change)


def scale_a_weight(factor: float) -> Change:
    """Multiply one kernel."""
    return change_weight(lambda array: array * factor)


def scale_one_number(model: onnx.ModelProto) -> None:
    """Multiply one number of one kernel by 1.02, which no image shows."""

    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[1, 2, 0, 1] *= 1.02
        return array

    alter(weights(model)[2], change)


def node(model: onnx.ModelProto, op: str, last: bool = False) -> onnx.NodeProto:
    """The first or last node of an operator."""
    found = [entry for entry in model.graph.node if entry.op_type == op]
    if not found:
        raise NotApplicableError(f"no {op}")
    return found[-1 if last else 0]


def add_constant(model: onnx.ModelProto, array: np.ndarray) -> str:
    """Register a constant; its name."""
    name = f"mutation_{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def insert(model: onnx.ModelProto, value: str, op: str, *operands: np.ndarray, **attributes: object) -> None:
    """Let an operator stand between a value and all its readers."""
    names = [add_constant(model, array) for array in operands]
    maker = next((entry for entry in model.graph.node if value in entry.output), None)
    if maker is None:
        raise NotApplicableError(f"no node makes {value}")
    right = f"{value}_{len(model.graph.node)}"
    maker.output[list(maker.output).index(value)] = right
    place = list(model.graph.node).index(maker) + 1
    model.graph.node.insert(place, helper.make_node(op, [right, *names], [value], **attributes))


def insert_for(
    model: onnx.ModelProto, value: str, readers: list[onnx.NodeProto], op: str, *operands: np.ndarray | str,
    **attributes: object,
) -> None:  # fmt: skip
    """Let an operator stand between a value and some of its readers."""
    if not readers:
        raise NotApplicableError(f"nothing reads {value}")
    names = [each if isinstance(each, str) else add_constant(model, each) for each in operands]
    result = f"{value}_{op}_{len(model.graph.node)}"
    for reader in readers:
        for index, name in enumerate(reader.input):
            if name == value:
                reader.input[index] = result
    place = min(list(model.graph.node).index(reader) for reader in readers)
    model.graph.node.insert(place, helper.make_node(op, [value, *names], [result], **attributes))


def insert_for_network(
    model: onnx.ModelProto, value: str, op: str, *operands: np.ndarray | str, **attributes: object
) -> None:
    """Let an operator stand between a value and the network; other readers, such as the composite, see it as it was."""
    insert_for(model, value, readers_of(model, value, network=True), op, *operands, **attributes)


def rename(model: onnx.ModelProto, names: dict[str, str]) -> None:
    """Give values other names, wherever they stand."""
    for entry in model.graph.node:
        for values in (entry.input, entry.output):
            for index, name in enumerate(values):
                values[index] = names.get(name, name)


def readers_of(model: onnx.ModelProto, value: str, network: bool | None = None) -> list[onnx.NodeProto]:
    """The nodes that read a value: of the network, of the image operations around it, or all."""
    found = [entry for entry in model.graph.node if value in entry.input]
    return [each for each in found if network is None or each.output[0].startswith(PREFIX) is not network]


def mask_of_network(model: onnx.ModelProto) -> str:
    """The float mask that the network is given."""
    hole = next(each for each in model.graph.node if each.op_type == "Clip" and each.output[0].startswith(PREFIX))
    known = next(each for each in model.graph.node if each.op_type == "Sub" and hole.output[0] in each.input)
    for value in (known.output[0], hole.output[0]):
        if readers_of(model, value, network=True):
            return str(value)
    raise NotApplicableError("the network reads no mask")


def image_of_network(model: onnx.ModelProto) -> str:
    """The float image [N,3,H,W] that the network is given."""
    for entry in model.graph.node:
        if entry.output[0].startswith(PREFIX) and entry.op_type in ("Div", "Mul", "Add", "Sub"):
            mask = mask_of_network(model)
            if entry.output[0] != mask and readers_of(model, entry.output[0], network=True):
                return str(entry.output[0])
    raise NotApplicableError("the network reads no image")


def rolled(model: onnx.ModelProto, value: str, axis: int, network_only: bool) -> None:
    """Shift a value [N,C,H,W] by one pixel along an axis, around the edge, for the network or for all its readers."""
    readers = readers_of(model, value, network=True if network_only else None)
    last, others, whole = (f"{value}_{part}" for part in ("last", "others", "rolled"))
    start, minus, end, along = (add_constant(model, np.array([number])) for number in (0, -1, 2**31 - 1, axis))
    place = min(list(model.graph.node).index(reader) for reader in readers)
    for reader in readers:
        for index, name in enumerate(reader.input):
            if name == value:
                reader.input[index] = whole
    for entry in (
        helper.make_node("Concat", [last, others], [whole], axis=axis),
        helper.make_node("Slice", [value, start, minus, along], [others]),
        helper.make_node("Slice", [value, minus, end, along], [last]),
    ):
        model.graph.node.insert(place, entry)

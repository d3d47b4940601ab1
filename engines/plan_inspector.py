"""A kernel plan from the engine inspector of TensorRT, which needs the GPU that the engine is for.

Written against the documentation of `IEngineInspector` for TensorRT 10 (`Format/Datatype` in one field) and 11
(`Format` and `Datatype` apart), with detailed profiling verbosity. It has never run on a real engine: there was no GPU.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .plan import BITS, NOT_KERNELS, Kernel, Operand, PlanError
from .plan_log import NODES

TYPES = {
    "FP32": "Float", "FP16": "Half", "Half": "Half", "Float": "Float", "BF16": "BF16", "Int8": "Int8", "INT8": "Int8",
    "Int32": "Int32", "INT32": "Int32", "Int64": "Int64", "UINT8": "UInt8", "UInt8": "UInt8", "Bool": "Bool",
    "BOOL": "Bool", "FP8": "FP8",
}  # fmt: skip
"""Words for types inside TensorRT 10's descriptions of a format, such as `Row major linear FP16 format`."""


def parse_inspection(text: str) -> tuple[list[Kernel], Counter[str], dict[str, int]]:
    """The kernels of an engine in order, how many signals and waits are between them; memory is not told.

    Args:
        text: what `get_engine_information` gave as JSON.

    Raises:
        PlanError: naming what is not understood.
    """
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError):
        raise PlanError(f"what the engine inspector says is not understood: {text[:80] or 'nothing'}") from None
    kernels, between = [], Counter[str]()
    for number, layer in enumerate(layers, 1):
        if not isinstance(layer, dict):
            raise PlanError(f"the engine inspector gives only the name of layer {number}, no details")
        try:
            if layer["LayerType"] in NOT_KERNELS:
                between[layer["LayerType"]] += 1
            else:
                kernels.append(_kernel(layer))
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError(f"layer {number} of the engine inspector is not understood: {error!r}") from None
    if not kernels:
        raise PlanError("the engine inspector lists no kernels")
    return kernels, between, {}


def _kernel(layer: Mapping[str, Any]) -> Kernel:
    constants = [_operand(entry) for entry in layer.get("Constants", ())]
    for part in ("Weights", "Bias"):  # of layers that are not compiled: a type and a count
        if isinstance(layer.get(part), dict) and layer[part].get("Count"):
            kind = _type(str(layer[part]["Type"]))
            constants.append(Operand(f"{layer['Name']} {part}", (int(layer[part]["Count"]),), kind))
    return Kernel(
        str(layer["Name"]), str(layer["LayerType"]), tuple(NODES.findall(str(layer.get("Metadata", "")))),
        tuple(map(_operand, layer["Inputs"])), tuple(map(_operand, layer["Outputs"])), tuple(constants),
        stream=int(layer.get("StreamId", 0)),
    )  # fmt: skip


def _operand(entry: Mapping[str, Any]) -> Operand:
    both = entry.get("Format/Datatype")
    kind = _type(str(entry["Datatype"] if both is None else both))
    shape = tuple(int(size) for size in entry["Dimensions"])
    strides = tuple(int(size) for size in entry.get("Strides", ()))
    layout = str(entry.get("Format", "") if both is None else both)
    return Operand(str(entry["Name"]), shape, kind, strides, layout, shape if -1 in shape else None)


def _type(words: str) -> str:
    if words in BITS:
        return words
    found = [TYPES[word] for word in words.replace(".", " ").split() if word in TYPES]
    if not found:
        raise ValueError(f"unknown type {words!r}")
    return found[-1]

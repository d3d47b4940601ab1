"""The sizes of a plan: what the compiler leaves open in an engine for many sizes, and the work of each kernel.

An engine for many sizes has one plan, in which dimensions that depend on the call are -1. The ONNX nodes of a kernel
tell which values it can have written: those that leave it for the next kernel. Their shapes at a given size are known
(`onnx_shapes`), so the kernel's are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from .multiply_adds import multiply_adds
from .onnx_shapes import Values, value_shapes
from .plan import Kernel, Operand

TYPES = {"fp16": "Half", "fp32": "Float", "uint8": "UInt8", "bool": "Bool", "int64": "Int64"}
HEAVY = ("correlation", "runtime_fusion", "deconv", "gemm")
"""Kinds that multiply matrices."""

Shape = tuple[int, ...]


def at_size(kernels: Sequence[Kernel], model: Any, sizes: Mapping[str, tuple[int, ...]]) -> tuple[Kernel, ...]:
    """The kernels with all shapes and their multiply-adds.

    Args:
        kernels: of the plan.
        model: the `onnx.ModelProto` the engine was built from.
        sizes: for each input of the model, its shape.
    """
    values = value_shapes(model, sizes)
    if any(operand.dynamic for kernel in kernels for operand in _operands(kernel)):
        kernels = _resolve(kernels, model, values)
    return _with_work(kernels, multiply_adds(model, values))


def _operands(kernel: Kernel) -> tuple[Operand, ...]:
    return (*kernel.inputs, *kernel.outputs, *kernel.constants)


def _resolve(kernels: Sequence[Kernel], model: Any, values: Values) -> list[Kernel]:
    written = {output: node.name for node in model.graph.node for output in node.output}
    read: dict[str, set[str]] = {value.name: {""} for value in model.graph.output}
    for node in model.graph.node:
        for name in node.input:
            read.setdefault(name, set()).add(node.name)
    readers: dict[str, set[str]] = {}
    multiplying: dict[str, set[str]] = {}
    for kernel in kernels:
        for operand in kernel.inputs:
            readers.setdefault(operand.name, set()).update(kernel.nodes)
            if kernel.kind in HEAVY:
                multiplying.setdefault(operand.name, set()).update(kernel.nodes)
    known: dict[str, Shape] = {}
    for kernel in kernels:
        inside = set(kernel.nodes)
        results = [value for value, node in written.items() if node in inside]
        leaving = [value for value in results if read.get(value, set()) - inside]
        for operand in kernel.outputs:
            taken = [value for value in leaving if read[value] & readers.get(operand.name, set())]
            choices = [[operand.name], taken, leaving, results]
            copied = [each.name for each in kernel.inputs]
            shape = _first(_fitting(operand, names, values) for names in (*choices, copied))
            # A tensor with channels added for alignment, or a sum on its way, has no value of its own in the graph. One
            # that only prepares what another kernel multiplies is as large as what it was made of.
            if shape is None and kernel.kind not in HEAVY and inside and inside <= multiplying.get(operand.name, set()):
                shape = _like(operand, [known[each.name] for each in kernel.inputs if each.name in known])
            shape = shape or _first(_like(operand, _shapes(names, values)) for names in choices)
            if shape is not None:
                known.setdefault(operand.name, shape)
    return [_with_shapes(kernel, known, values) for kernel in kernels]


def _first(shapes: Iterable[Shape | None]) -> Shape | None:
    return next((shape for shape in shapes if shape is not None), None)


def _fitting(operand: Operand, names: Iterable[str], values: Values) -> Shape | None:
    """The largest shape of these values that is the operand's where the operand's is fixed."""
    fixed = operand.dynamic or operand.shape
    fits = [
        shape
        for shape, kind in (values[name] for name in names if name in values)
        if len(shape) == len(fixed)
        and all(have in (-1, size) for have, size in zip(fixed, shape, strict=True))
        and TYPES.get(kind, operand.type) == operand.type
    ]
    return max(fits, key=prod, default=None)


def _shapes(names: Iterable[str], values: Values) -> list[Shape]:
    return [values[name][0] for name in names if name in values]


def _like(operand: Operand, shapes: Iterable[Shape]) -> Shape | None:
    """The operand's shape with what is open taken from the largest of these shapes with as many dimensions."""
    fixed = operand.dynamic or operand.shape
    like = max((shape for shape in shapes if len(shape) == len(fixed)), key=prod, default=None)
    return like and tuple(size if have == -1 else have for have, size in zip(fixed, like, strict=True))


def _with_shapes(kernel: Kernel, known: Mapping[str, Shape], values: Values) -> Kernel:
    def sized(operand: Operand) -> Operand:
        if operand.dynamic is None:
            return operand
        shape = known.get(operand.name) or _fitting(operand, [operand.name], values) or operand.dynamic
        return replace(operand, shape=shape)

    inputs, outputs, constants = (
        tuple(map(sized, group)) for group in (kernel.inputs, kernel.outputs, kernel.constants)
    )
    return replace(kernel, inputs=inputs, outputs=outputs, constants=constants)


def _with_work(kernels: Iterable[Kernel], work: Mapping[str, tuple[str, int]]) -> tuple[Kernel, ...]:
    """Each node's multiply-adds go to one kernel: the first that multiplies matrices, or else the first it is in."""
    kernels = tuple(kernels)
    places: dict[str, int] = {}
    for index, kernel in sorted(enumerate(kernels), key=lambda each: each[1].kind not in HEAVY):
        for node in kernel.nodes:
            places.setdefault(node, index)
    sums: list[dict[str, int]] = [{} for _ in kernels]
    for node, (kind, count) in work.items():
        if node in places:
            of_kernel = sums[places[node]]
            of_kernel[kind] = of_kernel.get(kind, 0) + count
    return tuple(replace(kernel, multiply_adds=own) for kernel, own in zip(kernels, sums, strict=True))

"""What a graph costs: multiply-adds, parameters, nodes, and the memory of its intermediate values."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from ..ir_tools import bytes_of
from ..operators import VIEWS
from .mask_path import analyse_mask_path
from .multiply_adds import count_multiply_adds, with_sizes

LARGE = 1024
"""Bytes from which on a constant is counted and not written."""


@dataclass(frozen=True)
class Cost:
    """The cost of one call.

    Args:
        feature_multiply_adds: of convolutions and matrix products that the image reaches.
        mask_multiply_adds: of all others.
        parameters: numbers in the graph's constants.
        nodes: operators.
        bytes: of the graph as a file.
        peak_activations: bytes of the intermediate values that are alive at once, at most, if nodes run in the order
            of the graph and free what nobody needs any more.
        uncounted: nodes whose multiply-adds are in neither number: Fourier transforms, and products of sizes that
            only show when they run.
    """

    feature_multiply_adds: int
    mask_multiply_adds: int
    parameters: int
    nodes: int
    bytes: int
    peak_activations: int
    uncounted: int = 0


def measure_cost(model: ir.Model, sizes: Mapping[str, tuple[int, ...]]) -> Cost:
    """The cost of a model with inputs `image` and `mask`.

    Args:
        model: before images were put around it, see `image_io`.
        sizes: shapes of its inputs.
    """
    sized = with_sizes(model, sizes)
    features = analyse_mask_path(sized).image_dependent
    feature, mask, uncounted = 0, 0, 0
    for node in sized.graph:
        count = count_multiply_adds(node)
        if count is None:
            uncounted += 1
        elif any(value in features for value in node.outputs):
            feature += count
        else:
            mask += count
    constants = [value.const_value for value in model.graph.initializers.values() if value.const_value is not None]
    return Cost(
        feature_multiply_adds=feature,
        mask_multiply_adds=mask,
        parameters=sum(tensor.size for tensor in constants),
        nodes=len(model.graph),
        bytes=_file_size(model),
        peak_activations=_peak_activations(sized.graph),
        uncounted=uncounted,
    )


def _file_size(model: ir.Model) -> int:
    """Bytes of the file, without writing the weights."""
    weights = [tensor for value in model.graph.initializers.values() if (tensor := value.const_value) is not None]
    graph = len(ir.to_proto(_without_weights(model)).SerializeToString())
    return graph + sum(int(tensor.nbytes) for tensor in weights if tensor.nbytes > LARGE)


def _without_weights(model: ir.Model) -> ir.Model:
    model = model.clone()
    for value in list(model.graph.initializers.values()):
        if value.const_value is not None and value.const_value.nbytes > LARGE:
            value.const_value = None
    for name in [name for name, value in model.graph.initializers.items() if value.const_value is None]:
        del model.graph.initializers[name]
    return model


def _peak_activations(graph: ir.Graph) -> int:
    uses = {value: sum(use.node.graph is graph for use in value.uses()) for node in graph for value in node.outputs}
    kept = set(graph.outputs)
    alive = peak = 0
    for node in graph:
        if node.op_type not in VIEWS and not all(_is_constant(value) for value in node.inputs):
            alive += sum(bytes_of(value) for value in node.outputs)
        peak = max(peak, alive)
        for value in dict.fromkeys(node.inputs):
            if value is None or value not in uses:
                continue
            uses[value] -= sum(operand is value for operand in node.inputs)
            producer = value.producer()
            if uses[value] == 0 and value not in kept and producer is not None and producer.op_type not in VIEWS:
                alive -= 0 if all(_is_constant(operand) for operand in producer.inputs) else bytes_of(value)
    return peak


def _is_constant(value: ir.Value | None) -> bool:
    return value is None or value.const_value is not None

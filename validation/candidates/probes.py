"""Inner values of a graph as outputs."""

import onnx_ir as ir


def add_outputs(model: ir.Model, names: tuple[str, ...]) -> None:
    """Make inner values of `model` outputs as well, in place; names that the graph lacks are passed over."""
    there = {value.name for value in model.graph.outputs}
    for value in list(model.graph.initializers.values()):
        if value.name in names and value.name not in there:  # of a mask that never changes
            node = ir.node("Identity", [value], num_outputs=1)
            node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
            node.outputs[0].name, value.name = value.name, f"{value.name}_stored"
            model.graph.append(node)
    for value in [value for node in model.graph for value in node.outputs]:
        if value.name in names and value.name not in there:
            model.graph.outputs.append(value)

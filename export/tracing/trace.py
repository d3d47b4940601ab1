"""From a PyTorch network to a raw ONNX graph."""

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.runtime.bundle import Profile
from inpaintrt.runtime.errors import NetworkError

from ..graph.analysis.mask_path import analyse_mask_path
from ..graph.passes.fourier_as_matrices import fourier_as_matrices
from ..quiet import quiet_loggers
from .deployed import TensorNetwork, flatten_outputs
from .randomness import refuse_randomness
from .source_lines import source_line

OPSET = 20

SAME = 1e-2
"""Relative L2 difference that rounding does not make, however a network magnifies it."""

QUIETED = ("torch.onnx", "torch.export", "torch._guards", "torch._dynamo", "torch.fx", "onnxscript", "onnx_ir")
"""Loggers of the exporter; what matters of their words is in the exception."""


@dataclass(frozen=True)
class Trace:
    """A raw graph, and which output of the network became `updated_mask` (None if none did)."""

    model: ir.Model
    updated_mask_output: int | None


def trace(network: TensorNetwork, profile: Profile, optimize: bool = False) -> Trace:
    """Trace a network into a graph with inputs `image`, `mask` and outputs `output` and, if it has one, `updated_mask`.

    A network that takes one has the input `sketch` as well.

    An output is the updated mask if it depends on the mask and on no image value; other outputs are dropped.

    Args:
        network: in evaluation mode.
        profile: sizes; axes whose smallest and largest differ become dynamic.
        optimize: let the exporter optimise. That drops `+ 1e-8`, see `graph/cleanup/clean_up.py`.

    Raises:
        NetworkError: if the network cannot be called with such sizes, or cannot be traced; with the reason.
    """
    _refuse_scripts(network)
    multiple = network.interface.size_multiple
    units = {"batch": 1, "height": multiple, "width": multiple}
    batch, height, width = (_sample_size(getattr(profile, axis), unit) for axis, unit in units.items())
    inputs = _samples(network, (batch, height, width), seed=0)
    watched = _without_memory(network)
    outputs = refuse_randomness(lambda: _call(watched, inputs))
    if outputs[0].shape != inputs["image"].shape:
        raise NetworkError(
            f"the image the network returns has shape {tuple(outputs[0].shape)}, "
            f"expected {tuple(inputs['image'].shape)}; "
            "choose another output with --output-index"
        )
    axes = {
        0: _dimension("batch", profile.batch, 1),
        2: _dimension("height", profile.height, multiple),
        3: _dimension("width", profile.width, multiple),
    }
    dynamic = {axis: dimension for axis, dimension in axes.items() if dimension is not None}
    names = ["output", *(f"output_{index}" for index in range(1, len(outputs)))]
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                network, tuple(inputs.values()), dynamo=True, optimize=optimize, verbose=False, opset_version=OPSET,
                input_names=list(inputs), output_names=names,
                dynamic_shapes=dict.fromkeys(inputs, dynamic) if dynamic else None,
            )  # fmt: skip
    except Exception as error:
        raise NetworkError(f"PyTorch cannot export the network: {_innermost(error)}{source_line(error)}") from error
    assert program is not None
    _check_axes(program.model.graph, dynamic)
    selected = _select_outputs(program.model, list(inputs))
    if dynamic and not optimize:
        # ONNX Runtime (1.31) reserves wrong sizes for a DFT back to real numbers where sizes are free.
        runnable, _ = fourier_as_matrices(selected.model)
        _check_another_size(network, runnable, profile, (batch, height, width))
    return selected


def _without_memory(network: TensorNetwork) -> TensorNetwork:
    """A copy, so that what a layer keeps from this call, such as the ratio of the last size, is not traced."""
    try:
        return copy.deepcopy(network)
    except RuntimeError:  # it keeps a tensor with a gradient of a call before this one
        return network


def _samples(network: TensorNetwork, size: tuple[int, int, int], seed: int) -> dict[str, torch.Tensor]:
    """Something for each input of a network, for (batch, height, width)."""
    batch, *plane = size
    generator = torch.Generator().manual_seed(seed)
    inputs = {
        "image": torch.rand(batch, 3, *plane, generator=generator),
        "mask": (torch.rand(batch, 1, *plane, generator=generator) > 0.3).float(),
    }
    if network.interface.sketch:
        inputs["sketch"] = (torch.rand(batch, 1, *plane, generator=generator) > 0.9).float()
    return inputs


def _call(network: TensorNetwork, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    try:
        with torch.no_grad():
            return flatten_outputs(network(*inputs.values()))
    except NetworkError:
        raise
    except Exception as error:
        given = " and ".join(f"{name} {tuple(value.shape)}" for name, value in inputs.items())
        raise NetworkError(
            f"the network cannot be called with {given}: {_first_line(error)}{source_line(error)}"
        ) from error


def _sample_size(limits: tuple[int, int, int], unit: int) -> int:
    low, best, high = limits
    # A sample of one unit would make the tracer take a dynamic axis for a constant.
    return max(best, 2 * unit) if low != high else best


def _dimension(name: str, limits: tuple[int, int, int], multiple: int) -> Any:
    low, _, high = limits
    if low == high:
        return None
    if multiple == 1:
        return torch.export.Dim(name, min=low, max=high)
    return multiple * torch.export.Dim(f"{name}_units", min=low // multiple, max=high // multiple)


def _check_axes(graph: ir.Graph, dynamic: dict[int, Any]) -> None:
    """Refuse a graph that is fixed to the sizes it was traced with, which the tracer says nothing about."""
    names = {0: "batch size", 2: "height", 3: "width"}
    for value in graph.inputs:
        fixed = [axis for axis in dynamic if value.shape is not None and isinstance(value.shape[axis], int)]
        if fixed:
            raise NetworkError(
                f"the network's code fixes the {names[fixed[0]]} to that of its first call; export one size "
                "(--size HxW --batch N), or see to it that nothing in forward depends on the sizes seen before"
            )


def _refuse_scripts(network: TensorNetwork) -> None:
    for name, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = name.removeprefix("network").strip(".") or "the network"
            raise NetworkError(
                f"{where} is TorchScript ({module.original_name}), which PyTorch's exporter does not take; "
                "give the Python module it was made from"
            )


def _check_another_size(
    network: TensorNetwork, model: ir.Model, profile: Profile, traced: tuple[int, int, int]
) -> None:
    """Refuse a graph that holds only for the traced size: what the tracer decides by sizes, it decides once.

    Adaptive pooling, for one, is traced as pooling with the window that the traced size needs.
    """
    limits = (profile.batch, profile.height, profile.width)
    batch, height, width = (low if low != was else high for (low, _, high), was in zip(limits, traced, strict=True))
    size = batch, height, width
    inputs = _samples(network, size, seed=1)
    expected = _call(network, inputs)[0].numpy()
    try:
        session = open_session(ir.to_proto(model).SerializeToString(), "cpu")
        found = session.run(["output"], {value.name: inputs[value.name].numpy() for value in session.get_inputs()})[0]
    except Exception as error:  # ONNX Runtime's exceptions share no base
        raise NetworkError(
            f"the network was traced with {_sizes(traced)}, and its graph does not run with {_sizes(size)}: "
            f"{_first_line(error)}; export one size (--size HxW --batch N)"
        ) from error
    with np.errstate(invalid="ignore"):
        difference = np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-6)
    if difference > SAME and np.isfinite(expected).all():
        raise NetworkError(
            f"the graph holds only for the size it was traced with, {_sizes(traced)}: with {_sizes(size)} it is "
            f"{difference:.2g} off (relative L2). Adaptive pooling and code that asks for sizes are the usual causes; "
            "export one size (--size HxW --batch N)"
        )


def _sizes(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}x{size[2]} (batch, height, width)"


def _select_outputs(model: ir.Model, inputs: Sequence[str]) -> Trace:
    # An input that is returned as it is was renamed as an output by the exporter.
    for value, name in zip(model.graph.inputs, inputs, strict=True):
        value.name = name
    _give_outputs_values_of_their_own(model.graph)
    mask_only = analyse_mask_path(model).mask_only
    image, *others = model.graph.outputs
    image.name = "output"
    for index, value in enumerate(others, start=1):
        if value in mask_only and value.shape is not None and len(value.shape) == 4:
            value.name = "updated_mask"
            model.graph.outputs[:] = [image, value]
            return Trace(model, index)
    model.graph.outputs[:] = [image]
    return Trace(model, None)


def _give_outputs_values_of_their_own(graph: ir.Graph) -> None:
    """An output may be an input or another output again; a name then cannot tell them apart."""
    seen: set[ir.Value] = set()
    for index, value in enumerate(graph.outputs):
        if value in seen or value.producer() is None:
            node = ir.node("Identity", [value], num_outputs=1)
            node.outputs[0].name = f"output_{index}_of_its_own"
            node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
            graph.append(node)
            graph.outputs[index] = node.outputs[0]
        seen.add(graph.outputs[index])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, its warnings and those of optional packages it misses from the terminal."""
    unheard = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(unheard), contextlib.redirect_stderr(unheard):
        warnings.simplefilter("ignore")
        with quiet_loggers(QUIETED):
            yield


def _innermost(error: BaseException) -> str:
    """The first cause's message, and the line of the user's source if the tracer names one."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    where = next((line for line in lines if line.startswith('File "') and "/torch/" not in line), "")
    return " ".join(filter(None, (f"{type(error).__name__}: {lines[0] if lines else ''}"[:400], where)))

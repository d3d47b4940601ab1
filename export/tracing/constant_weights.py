"""Weights that a network computes at each call, as constants.

Spectral and weight normalisation divide a weight by a norm before each convolution. PyTorch's own forms can be taken
off; many public networks have one of their own, which assigns the normalised weight to a module within `forward`. That
cannot be traced, and at deployment the weight is a constant: the one that two calls with the checkpoint arrive at.
"""

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from inpaintrt.runtime.errors import NetworkError

from ..interface import Interface
from .devices import OnCpu

PLAIN: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)

SIGNS = (".data", "setattr(")
"""What the source of a class holds that assigns to weights in `forward`."""

SAMPLE = 64
"""Least height and width of the image the network is called with."""

TOLERANCE = 0.05
"""Relative difference of two calls that one more power iteration may make; a converged one makes none."""


def freeze(network: nn.Module, interface: Interface) -> nn.Module:
    """`network`, or a copy of it in evaluation mode whose weights are constants if it computes some at each call.

    Raises:
        NetworkError: naming the class and its source, if the network still gives something else with constant weights.
    """
    kinds = {type(module) for module in network.modules()}  # to read the source of each class takes a while
    if not any(map(_has_library_norm, network.modules())) and not any(map(_may_rewrite, kinds)):
        return network
    _detach_computed_weights(network)
    frozen = copy.deepcopy(network)
    frozen.eval()
    for module in frozen.modules():
        _remove_library_norms(module)
    size = -(-SAMPLE // interface.size_multiple) * interface.size_multiple
    sample = [torch.rand(1, 3, size, size), torch.zeros(1, interface.mask_channels, size, size)]
    if interface.sketch:
        sample.append(torch.zeros(1, 1, size, size))
    layers = [module for module in frozen.modules() if isinstance(module, PLAIN)]
    before = [_weight(layer) for layer in layers]
    first, second = _call(frozen, sample), _call(frozen, sample)
    if first is None or second is None:
        return frozen  # it cannot be called with this sample; what the tracer says of it is shown
    rewritten = [
        layer
        for layer, weight in zip(layers, before, strict=True)
        # Taking a parametrization off a copy would take it off the original's class.
        if parametrize.is_parametrized(layer) or not _is_same(weight, _weight(layer))
    ]
    for layer in rewritten:
        frozen = _replace_rewriter(frozen, layer)
    found = _call(frozen, sample)
    if found is None or _differs(found, second) or _differs(first, second):
        culprits = sorted({_describe(layer) for layer in rewritten} or {_describe(network)})
        raise NetworkError(
            f"{', '.join(culprits)}: something rewrites its weights in forward, and two calls give different images; "
            "make them constants before the export"
        )
    return frozen


def _detach_computed_weights(network: nn.Module) -> None:
    """Of a weight that the last call computed, keep only the numbers: what has a gradient cannot be copied."""
    for module in network.modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and value.grad_fn is not None:
                vars(module)[name] = value.detach()


def _has_library_norm(module: nn.Module) -> bool:
    hooks = module._forward_pre_hooks.values()
    return parametrize.is_parametrized(module) or any(isinstance(hook, SpectralNorm | WeightNorm) for hook in hooks)


def _remove_library_norms(module: nn.Module) -> None:
    for hook in list(module._forward_pre_hooks.values()):
        if isinstance(hook, SpectralNorm):
            remove_spectral_norm(module, hook.name)
        elif isinstance(hook, WeightNorm):
            remove_weight_norm(module, hook.name)


def _may_rewrite(kind: type[nn.Module]) -> bool:
    if kind.__module__.startswith("torch."):
        return False
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return False
    return any(sign in source for sign in SIGNS)


def _weight(layer: nn.Module) -> Tensor | None:
    """A copy of a layer's weight, if it has one before it is called."""
    weight = getattr(layer, "weight", None)
    return weight.detach().clone() if isinstance(weight, Tensor) else None


def _is_same(before: Tensor | None, after: Tensor | None) -> bool:
    return before is not None and after is not None and torch.equal(before, after)


def _call(network: nn.Module, sample: Sequence[Tensor]) -> Any:
    try:
        with torch.no_grad(), OnCpu():
            result = network(*sample)
    except Exception:
        return None
    while isinstance(result, (tuple, list)) and result:
        result = result[0]
    return result if isinstance(result, Tensor) else None


def _differs(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.linalg.vector_norm(found - expected) > TOLERANCE * torch.linalg.vector_norm(expected))


def _replace_rewriter(network: nn.Module, module: nn.Module) -> nn.Module:
    """Put a plain layer with the computed weight where `module` is, or where the wrapper is that holds nothing else."""
    target = module
    if type(module).forward in [kind.forward for kind in PLAIN]:
        for parent in network.modules():
            if list(parent.children()) == [module] and _may_rewrite(type(parent)):
                target = parent
    plain = _plain(module)
    if target is network:
        return plain
    for parent, name in _places(network, target):
        parent._modules[name] = plain
    return network


def _places(network: nn.Module, target: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child is target:
                yield parent, name


def _plain(module: nn.Module) -> nn.Module:
    """A layer with the weights that `module` has now: of PyTorch's own class, or of the class that was parametrized."""
    kind: type[nn.Module] = next(kind for kind in PLAIN if isinstance(module, kind))
    buffers: dict[str, Tensor | None] = {}
    children: dict[str, nn.Module | None] = {}
    if parametrize.is_parametrized(module):
        kind = type(module).__bases__[0]  # may be a layer of its own, such as a partial convolution
        buffers = dict(module._buffers)
        children = {name: child for name, child in module._modules.items() if name != "parametrizations"}
    plain: nn.Module = kind.__new__(kind)
    plain.__dict__ = dict(vars(module))
    plain._parameters = dict(module._parameters) if parametrize.is_parametrized(module) else {}
    plain._buffers = buffers
    plain._modules = children
    for name in ("weight", "bias"):
        value = getattr(module, name)
        vars(plain).pop(name, None)
        plain._parameters.pop(name, None)
        plain.register_parameter(name, None if value is None else nn.Parameter(value.detach().clone()))
    return plain


def _describe(module: nn.Module) -> str:
    kind = type(module)
    try:
        return f"{kind.__qualname__} ({inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]})"
    except (OSError, TypeError):
        return kind.__qualname__

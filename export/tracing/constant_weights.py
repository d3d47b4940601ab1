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

SPOILT = 0.5
"""What weights are multiplied by to see which of them a call computes again; a power of two rounds nothing."""

SAMPLE = 64
"""Least height and width of the image the network is called with."""

TOLERANCE = 0.05
"""Relative difference of two calls that one more power iteration may make; a converged one makes none."""


def freeze(network: nn.Module, interface: Interface) -> nn.Module:
    """`network`, or a copy of it in evaluation mode whose weights are constants if it computes some at each call.

    Raises:
        NetworkError: naming the class and its source, if the network still gives something else with constant weights.
    """
    _detach_computed_weights(network)
    try:
        frozen = copy.deepcopy(network)
    except Exception:  # it cannot be copied; then the tracer shows what it computes
        return network
    frozen.eval()
    for module in frozen.modules():
        _remove_library_norms(module)
    size = -(-SAMPLE // interface.size_multiple) * interface.size_multiple
    generator = torch.Generator().manual_seed(0)
    sample = [torch.rand(1, 3, size, size, generator=generator), torch.zeros(1, interface.mask_channels, size, size)]
    if interface.sketch:
        sample.append(torch.zeros(1, 1, size, size))
    # Taking a parametrization off a copy would take it off the original's class.
    rewritten = [layer for layer in frozen.modules() if isinstance(layer, PLAIN) and parametrize.is_parametrized(layer)]
    rewritten += _computed_by_a_call(frozen, sample)
    if not rewritten and not any(map(_has_library_norm, network.modules())):
        return network
    first, second = _call(frozen, sample), _call(frozen, sample)
    if first is None or second is None:
        return frozen  # it cannot be called with this sample; what the tracer says of it is shown
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


def _computed_by_a_call(network: nn.Module, sample: Sequence[Tensor]) -> list[nn.Module]:
    """Layers whose weights a call of `network` computes: one that was spoilt before is another tensor or number after.

    So a network is not mistaken that was called before and has its weights in place. They are put back.
    """
    layers = [m for m in network.modules() if isinstance(m, PLAIN) and not parametrize.is_parametrized(m)]
    before = {layer: getattr(layer, "weight", None) for layer in layers}
    kept = {id(weight): (weight, weight.detach().clone()) for weight in before.values() if isinstance(weight, Tensor)}
    for tensor, numbers in kept.values():
        tensor.data = numbers * SPOILT
    spoilt = {key: tensor.data for key, (tensor, _) in kept.items()}
    copies = {key: numbers.clone() for key, numbers in spoilt.items()}
    _call(network, sample)
    computed = []
    for layer, weight in before.items():
        after, key = getattr(layer, "weight", None), id(weight)
        is_same = after is weight and (weight is None or weight.data.data_ptr() == spoilt[key].data_ptr())
        if not is_same or (weight is not None and not torch.equal(weight.data, copies[key])):
            computed.append(layer)
    for tensor, numbers in kept.values():
        tensor.data = numbers
    return computed


def _is_only_a_wrapper(parent: nn.Module, layer: nn.Module) -> bool:
    """Whether a module with one layer inside does nothing but call it, with the weight it has computed for it."""
    weight = getattr(layer, "weight", None)
    if type(parent).__module__.startswith("torch.") or not isinstance(weight, Tensor):
        return False
    channels = (
        weight.shape[0] if isinstance(layer, nn.ConvTranspose2d) else weight.shape[1] * getattr(layer, "groups", 1)
    )
    generator = torch.Generator().manual_seed(0)
    size = (1, channels) if isinstance(layer, nn.Linear) else (1, channels, SAMPLE, SAMPLE)
    given = [torch.rand(size, generator=generator)]
    wrapped, plain = _call(parent, given), _call(_plain(layer), given)
    same = wrapped is not None and plain is not None and wrapped.shape == plain.shape
    return same and not _differs(wrapped, plain)


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
            if list(parent.children()) == [module] and _is_only_a_wrapper(parent, module):
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

"""A forward pass that rounds as the FP16 graph does, for networks that are trained for deployment.

Every floating-point result is rounded to the nearest half-precision number, and so are the weights; gradients pass as
if nothing had been rounded (the straight-through estimator of Bengio et al., 2013, as in quantisation-aware training).
What leaves the range of half precision is held at its end, where a graph would have infinity.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

LARGEST = torch.finfo(torch.float16).max


def round_to_half(value: Tensor) -> Tensor:
    """The nearest half-precision value, with the gradient of the identity."""
    rounded = value.detach().clamp(-LARGEST, LARGEST).half().to(value.dtype)
    return value + (rounded - value.detach())


class HalfRounding(TorchFunctionMode):
    """While active, results and parameters of all functions are rounded, where gradients are asked for."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = tree_map(_rounded_parameter, (args, kwargs or {}))
        return tree_map(_rounded_result, func(*args, **kwargs))


def _rounded_parameter(value: Any) -> Any:
    return round_to_half(value) if isinstance(value, nn.Parameter) and value.is_floating_point() else value


def _rounded_result(value: Any) -> Any:
    # Masks carry no gradient and stay as they are, as the graph computes them in FP32.
    differentiable = isinstance(value, Tensor) and value.requires_grad and value.is_floating_point()
    return round_to_half(value) if differentiable and not isinstance(value, nn.Parameter) else value

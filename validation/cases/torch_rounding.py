"""PyTorch in other precisions than FP32, on a machine without a GPU: FP16 as a GPU gives it, and FP64 as the truth.

PyTorch's FP16 convolutions on a CPU take a minute for an image. So everything is computed in FP32 and every result is
rounded to FP16, as a GPU gives it: sums inside one operator are FP32 there as well.
"""

from typing import Any

import torch
from torch.utils._pytree import tree_map, tree_map_only

from inpaintrt.export.tracing.randomness import EagerMode

from .double_convolution import convolve, is_plain


class RoundToHalf(EagerMode):  # type: ignore[no-untyped-call]
    """While active, rounds the result of every operator on FP32 tensors to FP16 and keeps it as FP32."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        aliases = [entry.alias_info for entry in func._schema.returns]
        if any(alias is not None and alias.is_write for alias in aliases):
            return tree_map_only(torch.Tensor, _round_in_place, result)
        if any(alias is not None for alias in aliases):
            return result  # a view of values that are rounded already
        return tree_map_only(torch.Tensor, rounded, result)


class InDouble(EagerMode):  # type: ignore[no-untyped-call]
    """While active, every operator computes in FP64 what it was asked to compute in FP32.

    Weights and inputs must be FP64 already; what the network itself makes or casts to FP32 becomes FP64 here.
    """

    def __enter__(self) -> Any:
        self._default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> Any:
        torch.set_default_dtype(self._default)
        return super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = tree_map(_in_double, (args, kwargs or {}))
        if func is torch.ops.aten.convolution.default and is_plain(*args):
            image, weight, bias, stride, padding, dilation, _, _, groups = args
            return convolve(image, weight, bias, stride, padding, dilation, groups)
        return func(*args, **kwargs)


def _in_double(value: Any) -> Any:
    if value is torch.float32:
        return torch.float64
    return value.double() if isinstance(value, torch.Tensor) and value.dtype == torch.float32 else value


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with the values FP16 has, if it is FP32; else itself."""
    return tensor.half().float() if tensor.dtype == torch.float32 else tensor


def _round_in_place(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.copy_(rounded(tensor)) if tensor.dtype == torch.float32 else tensor

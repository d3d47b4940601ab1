"""What PyTorch's own FP16 would give, on a machine without a GPU.

PyTorch's FP16 convolutions on a CPU take a minute for an image. So everything is computed in FP32 and every result is
rounded to FP16, as a GPU gives it: sums inside one operator are FP32 there as well.
"""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class RoundToHalf(TorchDispatchMode):  # type: ignore[no-untyped-call]
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


class MoveResults(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, moves the result of every operator on FP32 tensors at random by up to a rounding of FP32.

    Whole numbers stay: mask sums are exact in any order, and may be compared.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generator = torch.Generator().manual_seed(0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(entry.alias_info is not None for entry in func._schema.returns):
            return result
        return tree_map_only(torch.Tensor, self._move, result)

    def _move(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype != torch.float32:
            return tensor
        noise = 1 + 2.0**-24 * (2 * torch.rand(tensor.shape, generator=self._generator) - 1)
        return torch.where(tensor == tensor.round(), tensor, tensor.double().mul(noise).float())


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with the values FP16 has, if it is FP32; else itself."""
    return tensor.half().float() if tensor.dtype == torch.float32 else tensor


def _round_in_place(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.copy_(rounded(tensor)) if tensor.dtype == torch.float32 else tensor

"""The device of a run and the precision of its forward and backward pass."""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from inpaintrt.runtime.errors import UsageError


class Precision:
    """Automatic mixed precision as the configuration names it, on the GPU if there is one.

    Args:
        name: `bf16-mixed`, `16-mixed` or `32-true`.

    Raises:
        UsageError: if 16-mixed is asked for without a GPU.
    """

    def __init__(self, name: str):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if name == "16-mixed" and self.device.type == "cpu":
            raise UsageError(
                "precision is '16-mixed', which needs a GPU; expected bf16-mixed or 32-true on this machine"
            )
        self._type = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(name)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=name == "16-mixed")

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The forward pass belongs in here."""
        return torch.autocast(self.device.type, self._type, enabled=self._type is not None)

    def full(self) -> contextlib.AbstractContextManager[Any]:
        """FP32 within `autocast`: variances and logarithms of small errors need it."""
        return torch.autocast(self.device.type, enabled=False)

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer, rate: float, clip: float | None) -> bool:
        """One step of the optimiser.

        Args:
            loss: what it makes smaller.
            optimizer: of the weights that change.
            rate: learning rate.
            clip: largest norm of the gradients, None for any.

        Returns:
            False, and leaves the weights as they are, if the gradients are not finite. With FP16's scaled gradients
            that happens now and then, lowers the scale, and is True.
        """
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        optimizer.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, float("inf") if clip is None else clip)
        if not self.scaler.is_enabled() and not bool(torch.isfinite(norm)):
            return False
        for group in optimizer.param_groups:
            group["lr"] = rate
        self.scaler.step(optimizer)
        self.scaler.update()
        return True

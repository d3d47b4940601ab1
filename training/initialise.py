"""Weights to begin with, scaled by data: Mishkin and Matas, "All you need is a good init" (ICLR 2016), LSUV.

A gate halves what passes at first, and a DeepFillv2 has more than thirty of them in a row and no normalisation: with
PyTorch's own initial weights nothing of the picture reaches its end, and a run spends its first thousands of steps on
mending that.
"""

from typing import Any

import torch
from torch import Tensor, nn


def initialise_by_data(network: nn.Module, *inputs: Tensor) -> None:
    """Orthogonal weights and zero biases for all convolutions, each scaled so that its result has unit variance.

    Args:
        network: changed in place.
        inputs: a batch as the network is called with.

    Layers that begin at zero stay there.
    """

    def scale(module: nn.Module, _: Any, result: Tensor) -> Tensor:
        assert isinstance(module, nn.Conv2d)
        deviation = result.std().clamp_min(1e-6)
        module.weight.data /= deviation
        return result / deviation  # what follows is measured on the scaled result

    handles = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.any():
            module.weight.data.copy_(nn.init.orthogonal_(torch.empty(module.weight.shape)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            handles.append(module.register_forward_hook(scale))
    with torch.no_grad():
        network(*inputs)
    for handle in handles:
        handle.remove()

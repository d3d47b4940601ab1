"""Weights to begin with.

`he` is He et al., "Delving Deep into Rectifiers" (ICCV 2015), which Liu et al. (ECCV 2018) train from; `glorot` is
Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (AISTATS 2010),
TensorFlow's default and so that of Yu et al.'s code. Scaled by data is Mishkin and Matas, "All you need is a good init"
(ICLR 2016), LSUV: a gate halves what passes at first, and a DeepFillv2 has more than thirty of them in a row and no
normalisation, so with other first weights nothing of the image reaches its end for thousands of steps.
"""

from typing import Any

import torch
from torch import Tensor, nn

SMALLEST = 1e-6
"""Deviation of a result that is not scaled, such as that of an attention without a known patch: nothing is seen."""


def initialise(network: nn.Module, how: str) -> None:
    """Draw the weights of all convolutions, in place, and set their biases to zero.

    Args:
        network: the network.
        how: `he`, `glorot`, or `pytorch` for those it was made with.
    """
    if how == "pytorch":
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            if how == "he":
                nn.init.kaiming_normal_(module.weight)
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialise_by_data(network: nn.Module, *inputs: Tensor) -> None:
    """Orthogonal weights and zero biases for all convolutions, each scaled so that its result has unit variance.

    Args:
        network: changed in place.
        inputs: a batch as the network is called with.
    """

    def scale(module: nn.Module, _: Any, result: Tensor) -> Tensor:
        assert isinstance(module, nn.Conv2d)
        deviation = result.std()
        if not deviation > SMALLEST:
            return result
        module.weight.data /= deviation
        return result / deviation  # what follows is measured on the scaled result

    handles = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.copy_(nn.init.orthogonal_(torch.empty(module.weight.shape)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            handles.append(module.register_forward_hook(scale))
    with torch.no_grad():
        network(*inputs)
    for handle in handles:
        handle.remove()

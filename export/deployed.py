"""The deployed network in PyTorch: what the exported graph must compute, and what validation compares with.

`TensorNetwork` is the part that is traced. `ImageNetwork` adds what `--io image` adds to the graph: normalisation, mask
polarity, pre-masking, composition and rounding (`graph/image_io.py` writes the same in ONNX).
"""

from typing import Any

import torch
from torch import Tensor, nn

from inpaintrt.runtime.errors import NetworkError

from .frozen import freeze
from .interface import Interface
from .on_cpu import OnCpu


class TensorNetwork(nn.Module):
    """A network behind one calling convention: float32 image [N,C,H,W] and mask [N,1,H,W], all outputs as a tuple.

    The picture comes first, whatever its place among the network's outputs.
    """

    def __init__(self, network: nn.Module, interface: Interface):
        super().__init__()
        self.network = freeze(network, interface.mask_channels, interface.size_multiple)
        self.interface = interface

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        if self.interface.mask_channels > 1:
            mask = mask.expand(-1, self.interface.mask_channels, -1, -1)
        with OnCpu():
            outputs = flatten_outputs(self.network(image, mask))
        index = self.interface.output_index
        if index >= len(outputs):
            raise NetworkError(f"--output-index {index}, but the network returns {len(outputs)} output(s)")
        return outputs[index], *outputs[:index], *outputs[index + 1 :]


class ImageNetwork(nn.Module):
    """The network from uint8 picture to uint8 composite."""

    def __init__(self, tensor_network: TensorNetwork):
        super().__init__()
        self.tensor_network = tensor_network
        self.interface = tensor_network.interface

    def prepare(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [N,H,W,3] and [N,H,W] to what the network wants: float32 [N,3,H,W] and [N,1,H,W]."""
        offset, scale = (torch.tensor(values)[:, None, None] for values in self.interface.normalisation)
        hole = mask[:, None].to(torch.float32).clamp(0, 1)
        known = 1 - hole
        normalised = (image.permute(0, 3, 1, 2).to(torch.float32) / 255 - offset) / scale
        if self.interface.premask:
            normalised = normalised * known + hole * self.interface.fill
        return normalised, known if self.interface.mask_polarity == "valid" else hole

    def compose(self, image: Tensor, mask: Tensor, output: Tensor) -> Tensor:
        """Known pixels of `image`, holes of the network's picture: uint8 [N,H,W,3]."""
        return torch.where(mask[..., None] != 0, self.picture(output).round().to(torch.uint8), image)

    def picture(self, output: Tensor) -> Tensor:
        """The network's output [N,3,H,W] as a picture before rounding: float32 [N,H,W,3] in 0..255."""
        offset, scale = (torch.tensor(values)[:, None, None] for values in self.interface.denormalisation)
        return ((output.to(torch.float32) * scale + offset) * 255).clamp(0, 255).permute(0, 2, 3, 1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.compose(image, mask, self.tensor_network(*self.prepare(image, mask))[0])


def flatten_outputs(value: Any) -> tuple[Tensor, ...]:
    """The tensors of a tensor, tuple, list or mapping, in order; None in it does not count.

    Raises:
        NetworkError: if there is anything else in it.
    """
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)) and value:
        return tuple(tensor for item in value if item is not None for tensor in flatten_outputs(item))
    raise NetworkError(f"the network returns a {type(value).__name__}; expected a tensor or a tuple of tensors")

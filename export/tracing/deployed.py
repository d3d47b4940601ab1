"""The deployed network in PyTorch: what the exported graph must compute, and what validation compares with.

`TensorNetwork` is the part that is traced. `ImageNetwork` adds what `--io image` adds to the graph: normalisation, mask
polarity, pre-masking, composition and rounding (`graph/image_io.py` writes the same in ONNX).
"""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from inpaintrt.runtime.errors import NetworkError

from ..interface import Interface
from .constant_weights import freeze
from .devices import OnCpu


class TensorNetwork(nn.Module):
    """A network behind one calling convention: float32 image [N,C,H,W] and mask [N,1,H,W], all outputs as a tuple.

    The image comes first, whatever its place among the network's outputs. A network whose interface says so is given
    a sketch [N,1,H,W] as well.

    Raises:
        NetworkError: if the interface asks for a sketch and `forward` takes none.
    """

    def __init__(self, network: nn.Module, interface: Interface):
        super().__init__()
        if interface.sketch:
            _check_takes_sketch(network)
        self.network = freeze(network, interface)
        self.interface = interface

    def forward(self, image: Tensor, mask: Tensor, sketch: Tensor | None = None) -> tuple[Tensor, ...]:
        if self.interface.mask_channels > 1:
            mask = mask.expand(-1, self.interface.mask_channels, -1, -1)
        with OnCpu():
            outputs = flatten_outputs(self.network(image, mask, *(() if sketch is None else (sketch,))))
        index = self.interface.output_index
        if index >= len(outputs):
            raise NetworkError(f"--output-index {index}, but the network returns {len(outputs)} output(s)")
        return outputs[index], *outputs[:index], *outputs[index + 1 :]


class ImageNetwork(nn.Module):
    """The network from uint8 image to uint8 composite."""

    def __init__(self, tensor_network: TensorNetwork):
        super().__init__()
        self.tensor_network = tensor_network
        self.interface = tensor_network.interface

    def prepare(self, image: Tensor, mask: Tensor, sketch: Tensor | None = None) -> tuple[Tensor, ...]:
        """uint8 [N,H,W,3] and [N,H,W] to what the network wants: float32 [N,3,H,W] and [N,1,H,W].

        A network that takes a sketch is given one, [N,1,H,W], of no lines if `sketch` [N,H,W] is None.
        """
        hole = mask[:, None].to(torch.float32).clamp(0, 1)
        used = network_inputs(self.interface, image.permute(0, 3, 1, 2).to(torch.float32) / 255, hole)
        if not self.interface.sketch:
            return used
        return *used, hole * (
            torch.zeros_like(hole) if sketch is None else sketch[:, None].to(torch.float32).clamp(0, 1)
        )

    def compose(self, image: Tensor, mask: Tensor, output: Tensor) -> Tensor:
        """Known pixels of `image`, holes of the network's image: uint8 [N,H,W,3]."""
        return torch.where(mask[..., None] != 0, self.image(output).round().to(torch.uint8), image)

    def image(self, output: Tensor) -> Tensor:
        """The network's output [N,3,H,W] as an image before rounding: float32 [N,H,W,3] in 0..255."""
        return (network_image(self.interface, output.to(torch.float32)) * 255).clamp(0, 255).permute(0, 2, 3, 1)

    def forward(self, image: Tensor, mask: Tensor, sketch: Tensor | None = None) -> Tensor:
        return self.compose(image, mask, self.tensor_network(*self.prepare(image, mask, sketch))[0])


def network_inputs(interface: Interface, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """What a network wants for an image [N,3,H,W] in 0..1 with the mask [N,1,H,W], 1 = hole."""
    offset, scale = (image.new_tensor(values)[:, None, None] for values in interface.normalisation)
    known = 1 - hole
    normalised = (image - offset) / scale
    if interface.premask:
        normalised = normalised * known + hole * interface.fill
    return normalised, known if interface.mask_polarity == "valid" else hole


def network_image(interface: Interface, output: Tensor) -> Tensor:
    """A network's output [N,3,H,W] as an image; what belongs to an image is in 0..1."""
    offset, scale = (output.new_tensor(values)[:, None, None] for values in interface.denormalisation)
    return output * scale + offset


def _check_takes_sketch(network: nn.Module) -> None:
    try:
        names = list(inspect.signature(network.forward).parameters)
    except (TypeError, ValueError):  # it has none that Python can read
        names = []
    if names[2:3] != ["sketch"]:
        raise NetworkError(
            f"{type(network).__qualname__} takes no sketch: its forward({', '.join(names)}) has no third argument "
            "'sketch'; leave out --sketch"
        )


def flatten_outputs(value: Any) -> tuple[Tensor, ...]:
    """The tensors of a tensor, tuple, list or mapping, in order; None and what is empty in it do not count.

    Raises:
        NetworkError: if there is anything else in it, or nothing at all.
    """
    tensors = tuple(_tensors(value))
    if not tensors:
        raise NetworkError(f"the network returns a {type(value).__name__} without a tensor in it; expected some")
    return tensors


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, tuple, list)):
        for item in value.values() if isinstance(value, dict) else value:
            if item is not None:
                yield from _tensors(item)
    else:
        raise NetworkError(f"the network returns a {type(value).__name__}; expected a tensor or a tuple of tensors")

"""What the families of DeepFillv2 checkpoints share: their layers are ours under other names."""

from collections.abc import Iterable, Sequence

import torch

from inpaintrt.runtime.errors import CheckpointError

from ..networks import DeepFillV2
from .family import LoadedNetwork, StateDict, check_keys_and_shapes, check_types

PARTS = ("coarse", "hallucinate", "attend", "attended", "refine")

KINDS = ("weight", "bias")


def width_of(weights: StateDict, key: str) -> int:
    """The width a network was built with, from its convolution that gives half as many channels and their gates.

    Raises:
        CheckpointError: if this is no weight of a gated convolution.
    """
    shape = weights[key].shape
    if len(shape) != 4 or shape[0] < 4 or shape[0] % 4:
        raise CheckpointError(f"{key} has shape {tuple(shape)}; expected a convolution's, its channels a multiple of 4")
    return int(shape[0])


def load_layers(
    family: str,
    network: DeepFillV2,
    weights: StateDict,
    layers: dict[str, Sequence[str]],
    optional: Iterable[str] = (),
    blue_first: bool = False,
) -> LoadedNetwork:
    """Load all weights, or none, into `network`.

    Args:
        family: its name.
        network: with the widths of the checkpoint.
        weights: their state dict.
        layers: their names of the convolutions of each of `PARTS`, in order.
        optional: keys that may be there and are not weights.
        blue_first: whether their channels are in the order blue, green, red.

    Raises:
        CheckpointError: if keys are missing, left over or wrongly shaped.
    """
    ours = network.state_dict()
    names: dict[str, str] = {}
    for part in PARTS:
        own = [key.removesuffix(".weight") for key in ours if key.startswith(f"{part}.") and key.endswith(".weight")]
        for theirs, name in zip(layers[part], own, strict=True):
            names |= {f"{theirs}.{kind}": f"{name}.{kind}" for kind in KINDS}
    expected = {theirs: ours[name].shape for theirs, name in names.items()}
    used = {key: tensor for key, tensor in weights.items() if key in expected or key not in optional}
    check_keys_and_shapes(family, used, expected)
    check_types(weights, {theirs: ours[name] for theirs, name in names.items()})
    network.load_state_dict({name: weights[theirs].to(torch.float32) for theirs, name in names.items()})
    if blue_first:
        _reverse_colours(network)
    return LoadedNetwork(network.eval(), network.interface(), family, network.arguments)


def _reverse_colours(network: DeepFillV2) -> None:
    """Exchange red and blue in every layer that takes or makes an image."""
    state = network.state_dict()
    for part in ("coarse", "hallucinate", "attend"):
        key = f"{part}.0.conv.weight"
        state[key] = torch.cat([state[key][:, :3].flip(1), state[key][:, 3:]], dim=1)
    for layers in ("coarse", "refine"):
        last = f"{layers}.{len(getattr(network, layers)) - 1}.conv"
        for kind in KINDS:  # features, and their gates if there are any
            state[f"{last}.{kind}"] = torch.cat([part.flip(0) for part in state[f"{last}.{kind}"].split(3)])
    network.load_state_dict(state)

"""LaMa, in the two layouts people have.

The training checkpoint of Lightning keeps the generator under `state_dict`, its keys beginning with `generator.`. The
widely used `big-lama.pt` is a TorchScript archive of the whole model, in which they begin with `model.generator.`
(`inert.py` reads it). Layers are numbered as they follow each other::

    model.1                      first layer                    model.2 ..       halvings, the last into two parts
    model.2+levels ..            residual blocks                model.3+levels+blocks ..   doublings, each by 3
"""

from collections.abc import Mapping
from typing import Any

import torch

from inpaintrt.runtime.errors import CheckpointError

from ..networks import LaMa
from .family import LoadedNetwork, StateDict, check_keys_and_shapes, check_types, weights_under

PREFIXES = ("generator.", "model.generator.", "module.generator.", "")
"""Where training checkpoints, archives, and files of the generator only keep it."""

NORM = ("weight", "bias", "running_mean", "running_var")

COUNTER = "num_batches_tracked"


class LaMaFamily:
    """`model.1.ffc.convl2l.weight` ... under `generator.`, with or without a discriminator beside it."""

    name = "lama"
    deciding_keys = ("model.1.ffc.convl2l.weight", "model.1.bn_l.weight", "model.2.ffc.convl2l.weight")

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return weights_under(content, PREFIXES, self.deciding_keys[0])

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        network = LaMa(**_infer(weights))
        ours = network.state_dict()
        names = their_names(network)
        expected = {theirs: ours[name].shape for theirs, name in names.items()}
        counters = [key for key in weights if key.endswith(COUNTER)]
        check_keys_and_shapes(self.name, weights, expected, optional=counters)
        check_types(weights, {theirs: ours[name] for theirs, name in names.items()})
        state = {name: weights[theirs].to(torch.float32) for theirs, name in names.items()}
        network.load_state_dict(state, strict=False)  # only the counters of batches, which nothing reads, are not set
        return LoadedNetwork(network.eval(), network.interface(), self.name, network.arguments)


def _infer(weights: StateDict) -> dict[str, int]:
    """Width, levels, blocks and global channels.

    Raises:
        CheckpointError: if the layers are not those of LaMa's generator.
    """
    layer = 2
    while f"model.{layer}.ffc.convl2l.weight" in weights:
        layer += 1
    levels, first_block = layer - 2, layer
    while f"model.{layer}.conv1.ffc.convl2l.weight" in weights:
        layer += 1
    split = f"model.{first_block - 1}.ffc.convl2g.weight"
    if split not in weights:
        raise CheckpointError(f"looks like a checkpoint of family lama, but {split}, where features part, is missing")
    return {
        "width": int(weights["model.1.ffc.convl2l.weight"].shape[0]), "levels": levels,
        "blocks": layer - first_block, "global_channels": int(weights[split].shape[0]),
    }  # fmt: skip


def their_names(network: LaMa) -> dict[str, str]:
    """Our state-dict key for each of theirs; counters of batches left out."""
    levels, blocks = network.arguments["levels"], network.arguments["blocks"]
    names = {"model.1.ffc.convl2l.weight": "first.weight", **_norm("model.1.bn_l", "first_norm")}
    for level in range(levels - 1):
        names[f"model.{level + 2}.ffc.convl2l.weight"] = f"down.{level}.weight"
        names |= _norm(f"model.{level + 2}.bn_l", f"down_norms.{level}")
    parting = f"model.{levels + 1}"
    names |= {f"{parting}.ffc.convl2l.weight": "to_local.weight", f"{parting}.ffc.convl2g.weight": "to_global.weight"}
    names |= _norm(f"{parting}.bn_l", "local_norm") | _norm(f"{parting}.bn_g", "global_norm")
    for block in range(blocks):
        for theirs, ours in (("conv1", "first"), ("conv2", "second")):
            names |= _fourier_conv(f"model.{levels + 2 + block}.{theirs}", f"blocks.{block}.{ours}")
    for level in range(levels):
        layer = levels + blocks + 3 + 3 * level
        names |= {f"model.{layer}.{kind}": f"up.{level}.{kind}" for kind in ("weight", "bias")}
        names |= _norm(f"model.{layer + 1}", f"up_norms.{level}")
    last = levels + blocks + 3 + 3 * levels + 1
    return names | {f"model.{last}.{kind}": f"last.{kind}" for kind in ("weight", "bias")}


def _fourier_conv(theirs: str, ours: str) -> dict[str, str]:
    layers = {
        "ffc.convl2l": "local_to_local", "ffc.convl2g": "local_to_global", "ffc.convg2l": "global_to_local",
        "ffc.convg2g.conv1.0": "global_to_global.reduce", "ffc.convg2g.conv2": "global_to_global.expand",
        "ffc.convg2g.fu.conv_layer": "global_to_global.unit.conv",
    }  # fmt: skip
    norms = {
        "ffc.convg2g.conv1.1": "global_to_global.norm", "ffc.convg2g.fu.bn": "global_to_global.unit.norm",
        "bn_l": "local_norm", "bn_g": "global_norm",
    }  # fmt: skip
    names = {f"{theirs}.{layer}.weight": f"{ours}.{name}.weight" for layer, name in layers.items()}
    for layer, name in norms.items():
        names |= _norm(f"{theirs}.{layer}", f"{ours}.{name}")
    return names


def _norm(theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}.{kind}": f"{ours}.{kind}" for kind in NORM}

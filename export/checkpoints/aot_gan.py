"""AOT-GAN's generator: `encoder.1` .. `encoder.5`, `middle.N.block0M.1`, `middle.N.fuse.1`, `decoder.0.conv` .."""

from collections.abc import Mapping
from typing import Any

import torch

from ..networks import AotGan
from .family import LoadedNetwork, StateDict, check_keys_and_shapes, check_types, weights_under

PREFIXES = ("netG.", "generator.", "")


class AotGanFamily:
    """The state dict of the generator that its training writes (`G*.pt`)."""

    name = "aot-gan"
    deciding_keys = ("encoder.1.weight", "middle.0.block00.1.weight", "middle.0.fuse.1.weight", "decoder.0.conv.weight")

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return weights_under(content, PREFIXES, self.deciding_keys[1])

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        blocks = looks = 0
        while f"middle.{blocks}.fuse.1.weight" in weights:
            blocks += 1
        while f"middle.0.block{looks:02}.1.weight" in weights:
            looks += 1
        network = AotGan(int(weights["encoder.1.weight"].shape[0]), blocks, looks)
        ours, names = network.state_dict(), their_names(network)
        check_keys_and_shapes(self.name, weights, {theirs: ours[name].shape for theirs, name in names.items()})
        check_types(weights, {theirs: ours[name] for theirs, name in names.items()})
        network.load_state_dict({name: weights[theirs].to(torch.float32) for theirs, name in names.items()})
        return LoadedNetwork(network.eval(), network.interface(), self.name, network.arguments)


def their_names(network: AotGan) -> dict[str, str]:
    """Our state-dict key for each of theirs."""
    layers = {"encoder.1": "first", "encoder.3": "down.0", "encoder.5": "down.1"}
    for block in range(network.arguments["blocks"]):
        for look in range(network.arguments["looks"]):
            layers[f"middle.{block}.block{look:02}.1"] = f"blocks.{block}.looks.{look}"
        layers |= {f"middle.{block}.{name}.1": f"blocks.{block}.{name}" for name in ("fuse", "gate")}
    layers |= {"decoder.0.conv": "up.0", "decoder.2.conv": "up.1", "decoder.4": "last"}
    return {f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in layers.items() for kind in ("weight", "bias")}

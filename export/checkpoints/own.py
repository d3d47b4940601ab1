"""Checkpoints of this project: weights together with the network's arguments and interface."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inpaintrt.runtime.errors import CheckpointError
from inpaintrt.runtime.files import replace_file

from ..interface import Interface
from ..networks import DeepFillV2, PConvUNet
from .family import LoadedNetwork, StateDict, check_keys_and_shapes, check_types, tensors_only

FORMAT = "inpaintrt.checkpoint"
VERSION = 1
NETWORKS: dict[str, type[PConvUNet] | type[DeepFillV2]] = {"pconv_unet": PConvUNet, "deepfill_v2": DeepFillV2}


class Own:
    """`{"format", "version", "network", "arguments", "interface", "state_dict"}`."""

    name = "inpaintrt"
    deciding_keys: tuple[str, ...] = ()  # the format says what it is

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return tensors_only(content.get("state_dict")) if content.get("format") == FORMAT else None

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        if content.get("version") != VERSION:
            raise CheckpointError(f"checkpoint version {content.get('version')}, this release reads {VERSION}")
        name = content.get("network")
        if not isinstance(name, str) or name not in NETWORKS:
            raise CheckpointError(f"holds a network called {name!r}; known are {', '.join(NETWORKS)}")
        try:
            arguments = _without_smooth_base(content["arguments"])
            network = NETWORKS[name](**arguments)
            interface = Interface.from_dict(content["interface"])
        except KeyError as error:
            raise CheckpointError(f"lacks its {error.args[0]}") from None
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"its network arguments or interface are invalid: {error}") from None
        ours = network.state_dict()
        check_keys_and_shapes(self.name, weights, {key: tensor.shape for key, tensor in ours.items()})
        check_types(weights, ours)
        network.load_state_dict({key: tensor.to(ours[key].dtype) for key, tensor in weights.items()})
        return LoadedNetwork(network.eval(), interface, self.name, arguments)


def _without_smooth_base(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without one that networks had once; those that used it cannot be made any more."""
    kept = dict(arguments)
    if kept.pop("smooth_base", False):
        raise CheckpointError(
            "its network adds to a smooth fill (smooth_base), which this release no longer has; train it again "
            "without, or export it with the release that trained it"
        )
    return kept


def save_checkpoint(
    path: str | Path, network: PConvUNet | DeepFillV2, interface: Interface, dtype: torch.dtype = torch.float32
) -> None:
    """Save a network so that `load_checkpoint` restores it with nothing else at hand.

    Args:
        path: file to write, replaced atomically.
        network: the trained network.
        interface: how it was trained to be called.
        dtype: of the stored weights; float16 makes the file half as large and is read back as float32.
    """
    content = io.BytesIO()  # in memory first: torch's own writer answers a full disk with an error of its own
    torch.save(
        {
            "format": FORMAT,
            "version": VERSION,
            "network": next(name for name, kind in NETWORKS.items() if isinstance(network, kind)),
            "arguments": network.arguments,
            "interface": interface.to_dict(),
            "state_dict": {
                key: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
                for key, tensor in network.state_dict().items()
            },
        },
        content,
    )
    replace_file(Path(path), content.getvalue())

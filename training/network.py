"""The network that a run begins with."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.export.checkpoints.own import NETWORKS
from inpaintrt.export.interface import Interface
from inpaintrt.export.networks import DeepFillV2, PConvUNet
from inpaintrt.runtime.console import say
from inpaintrt.runtime.errors import CheckpointError, UsageError

from .config import TrainingConfig
from .initialise import initialise

IMAGE_RANGE = (-1.0, 1.0)
PAPERS_WEIGHTS = {"pconv_unet": "he", "deepfill_v2": "glorot"}

MOST_WEIGHTS = 500_000_000
"""Ten times those of the papers' largest network. In fp32 with averages, gradients and Adam's moments, 10 GB."""

Network = PConvUNet | DeepFillV2


def make_network(config: TrainingConfig) -> tuple[Network, Interface]:
    """The network that a run begins with, and how it is called.

    Raises:
        UsageError: if the network does not take the arguments, a stage's crop is not a multiple of its sizes, or
            `start_from` cannot be trained or holds another network than `network`.
    """
    if config.start_from is not None:
        network, interface = _continued(config.start_from, config)
    else:
        name = config.network or "pconv_unet"
        network = _made(NETWORKS[name], config.arguments)
        initialise(network, config.initialise or PAPERS_WEIGHTS[name])
        interface = replace(network.interface(), image_range=IMAGE_RANGE)
    for number, stage in enumerate(config.stages):
        if stage.crop % interface.size_multiple:
            below = stage.crop - stage.crop % interface.size_multiple or interface.size_multiple
            raise UsageError(
                f"stages[{number}].crop is {stage.crop}; expected a multiple of {interface.size_multiple}, the "
                f"network's, such as {below}"
            )
    return network, interface


def _made(kind: type[Network], arguments: Mapping[str, Any]) -> Network:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong is in the error
            with torch.device("meta"):  # takes no memory
                weights = sum(weight.numel() for weight in kind(**arguments).parameters())
            if weights > MOST_WEIGHTS:
                raise ValueError(f"it would have {weights:,} weights; expected at most {MOST_WEIGHTS:,}")
            return kind(**arguments)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        text = " ".join(str(error).split()).replace(f"{kind.__name__}.__init__() ", "")
        raise UsageError(f"arguments: {kind.__name__} does not take {dict(arguments)}: {text}") from None


def _continued(checkpoint: Path, config: TrainingConfig) -> tuple[Network, Interface]:
    """A checkpoint's network with its arguments changed; layers that no longer fit begin with new weights."""
    try:
        loaded = load_checkpoint(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"start_from: {error}") from None
    kind = type(loaded.network)
    if not issubclass(kind, Network):
        raise UsageError(f"start_from: {checkpoint}: networks of family {loaded.family} cannot be trained further")
    if config.network is not None and NETWORKS[config.network] is not kind:
        held = next(name for name, each in NETWORKS.items() if each is kind)
        raise UsageError(
            f"network is {config.network!r}, but start_from, {checkpoint}, holds a {held}; leave `network` out"
        )
    network = _made(kind, loaded.arguments | dict(config.arguments))
    ours, theirs = network.state_dict(), loaded.network.state_dict()
    fitting = {key: value for key, value in theirs.items() if key in ours and ours[key].shape == value.shape}
    new = sorted(set(ours) - set(fitting))
    if new:
        shown = ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
        say(f"{checkpoint}: {shown} begin with new weights, since the arguments differ")
    network.load_state_dict(fitting, strict=False)
    return network, replace(loaded.interface, size_multiple=network.size_multiple)

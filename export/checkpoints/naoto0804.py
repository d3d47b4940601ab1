"""The widely used PyTorch implementation of partial convolution by naoto0804 (pytorch-inpainting-with-partial-conv).

Its layer carries masks with as many channels as the features and divides by the mask sum without multiplying by the
window, so its weights are larger than ours by the size of the window, kernel area times input channels::

    conv_W(x * M) / s  =  conv_{W / w}(x * M) * (w / s)

The weights are divided by `w` on loading and the network is an ordinary `PConvUNet` from there on. Without that
rescaling, the convolution's result leaves the FP16 range where the layer's does not.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch

from inpaintrt.runtime.errors import CheckpointError

from ..networks import PConvUNet
from .family import LoadedNetwork, StateDict, check_keys_and_shapes, check_types, list_keys, tensors_only

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

NORM_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class Naoto0804:
    """`enc_1.conv.input_conv.weight` ... `dec_1.conv.input_conv.bias`, optionally under `model`."""

    name = "naoto0804"
    deciding_keys = (
        "enc_1.conv.input_conv.weight",
        "enc_1.conv.mask_conv.weight",
        "dec_1.conv.input_conv.weight",
        "dec_1.conv.input_conv.bias",
    )

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return tensors_only(content.get("model", content))

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        network = self._build(weights)
        names = _their_names(network)
        ours = network.state_dict()
        expected = {theirs: ours[name].shape for theirs, name in names.items()}
        expected |= {_mask_key(t): ours[n].shape for t, n in names.items() if t.endswith("input_conv.weight")}
        counters = {key for key in expected if key.endswith("num_batches_tracked")}
        check_keys_and_shapes(self.name, weights, expected, optional=counters)
        check_types(weights, {theirs: ours[name] for theirs, name in names.items()})
        _check_mask_weights(weights)
        converted = {}
        for theirs, name in names.items():
            if theirs in counters:
                continue
            tensor = weights[theirs].to(torch.float32)
            if theirs.endswith("input_conv.weight"):
                tensor = tensor / tensor[0].numel()
            converted[name] = tensor
        network.load_state_dict(converted, strict=False)  # only the unused counters are not set
        interface = network.interface(mean=IMAGENET_MEAN, std=IMAGENET_STD)
        return LoadedNetwork(network.eval(), interface, self.name, network.arguments)

    def _build(self, weights: StateDict) -> PConvUNet:
        layers: list[torch.Size] = []
        while (key := f"enc_{len(layers) + 1}.conv.input_conv.weight") in weights:
            layers.append(weights[key].shape)
        if any(len(shape) != 4 for shape in layers):
            raise CheckpointError("convolution weights are not 4-dimensional")
        return PConvUNet(
            in_channels=layers[0][1],
            widths=[shape[0] for shape in layers],
            kernels=[shape[2] for shape in layers],
        )


def _their_names(network: PConvUNet) -> dict[str, str]:
    """Their state-dict key for each of ours."""
    depth = len(network.encoder)
    blocks = {f"enc_{i + 1}": f"encoder.{i}" for i in range(depth)}
    blocks |= {f"dec_{depth - i}": f"decoder.{i}" for i in range(depth)}
    ours = set(network.state_dict())
    names = {}
    for theirs, block in blocks.items():
        for kind in ("weight", "bias"):
            names[f"{theirs}.conv.input_conv.{kind}"] = f"{block}.conv.conv.{kind}"
        for kind in NORM_KEYS:
            names[f"{theirs}.bn.{kind}"] = f"{block}.norm.{kind}"
    return {theirs: name for theirs, name in names.items() if name in ours}


def _mask_key(weight_key: str) -> str:
    return re.sub(r"input_conv\.weight$", "mask_conv.weight", weight_key)


def _check_mask_weights(weights: StateDict) -> None:
    changed = [key for key, t in weights.items() if key.endswith("mask_conv.weight") and not bool((t == 1).all())]
    if changed:
        raise CheckpointError(
            f"mask weights are not all one in {list_keys(changed)}: this is not the partial convolution's mask update"
        )

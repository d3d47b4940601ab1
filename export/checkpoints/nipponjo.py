"""The PyTorch port of DeepFillv2 by nipponjo (deepfillv2-pytorch), in both its layouts.

`networks.py` pads with zeros on all sides alike, halves by every second value and joins scores of neighbours.
`networks_tf.py`, whose checkpoints are converted from the authors' own in TensorFlow, pads and resizes as TensorFlow
does and does not join scores. Both take red, green, blue in -1..1. In a batch they use the first image's mask for the
attention to all; here each image has its own.
"""

from collections.abc import Mapping
from typing import Any

from ..networks import DeepFillV2
from .deepfill import load_layers, width_of
from .family import LoadedNetwork, StateDict, tensors_only

COARSE = (
    "conv1", "down_block1.conv1_downsample", "down_block1.conv2", "down_block2.conv1_downsample", "down_block2.conv2",
    *(f"conv_bn{number}" for number in range(1, 8)),
    "up_block1.conv1_upsample.conv", "up_block1.conv2", "up_block2.conv1_upsample.conv", "up_block2.conv2",
    "conv_to_rgb",
)  # fmt: skip
"""Layers of `stage1`; the refinement network names its own alike, with a prefix for each branch."""

TF_COARSE = (
    "conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6", "conv7_atrous", "conv8_atrous",
    "conv9_atrous", "conv10_atrous", "conv11", "conv12", "conv13_upsample.conv", "conv14", "conv15_upsample.conv",
    "conv16", "conv17",
)  # fmt: skip


class Nipponjo:
    """`stage1.conv1.conv.weight` ... `stage2.conv_to_rgb.conv.bias`, optionally under `G`."""

    name = "nipponjo"
    deciding_keys = (
        "stage1.conv1.conv.weight",
        "stage2.ca_conv1.conv.weight",
        "stage2.conv_to_rgb.conv.weight",
    )

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return tensors_only(content.get("G", content))

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        network = DeepFillV2(width_of(weights, self.deciding_keys[0]))
        return load_layers(
            self.name, network, weights,
            {
                "coarse": [f"stage1.{layer}.conv" for layer in COARSE],
                "hallucinate": [f"stage2.conv_{layer}.conv" for layer in COARSE[:10]],
                "attend": [f"stage2.ca_{layer}.conv" for layer in COARSE[:6]],
                "attended": [f"stage2.ca_conv_bn{number}.conv" for number in (4, 5)],
                "refine": [f"stage2.{layer}.conv" for layer in COARSE[10:]],
            },
            optional=["stage2.contextual_attention.fuse_weight"],
        )  # fmt: skip


class NipponjoTensorFlow:
    """`conv1.conv.weight` ... `allconv17.conv.bias`, optionally under `G`: converted from TensorFlow."""

    name = "nipponjo-tf"
    deciding_keys = ("conv1.conv.weight", "pmconv1.conv.weight", "allconv17.conv.weight")

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return tensors_only(content.get("G", content))

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        width = width_of(weights, self.deciding_keys[0])
        network = DeepFillV2(width, padding="same", attention={"fuse": False, "resize": "corners"})
        return load_layers(
            self.name, network, weights,
            {
                "coarse": [f"{layer}.conv" for layer in TF_COARSE],
                "hallucinate": [f"x{layer}.conv" for layer in TF_COARSE[:10]],
                "attend": [f"pm{layer}.conv" for layer in TF_COARSE[:6]],
                "attended": ["pmconv9.conv", "pmconv10.conv"],
                "refine": [f"all{layer}.conv" for layer in TF_COARSE[10:]],
            },
        )  # fmt: skip

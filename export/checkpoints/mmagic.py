"""DeepFillv2 of MMagic, formerly MMEditing.

It pads by reflection, gates the layers that make the images, gives the guide and the mask to the refinement network
as well, leaves patches with a hole out of the softmax, divides by how many patches really overlap, and takes blue,
green, red. Where no patch is without a hole, it computes NaN; here the attention is then the mean of all patches.
"""

from collections.abc import Mapping
from typing import Any

from ..networks import DeepFillV2
from .deepfill import load_layers, width_of
from .family import LoadedNetwork, StateDict, weights_under

PREFIXES = ("generator.encoder_decoder.", "generator.", "")
"""Where checkpoints of whole models, and of generators without one, keep the two stages."""


class MMagic:
    """`generator.stage1.encoder.enc1.conv.conv.weight` ... under `state_dict`, beside a discriminator."""

    name = "mmagic-deepfillv2"
    deciding_keys = (
        "stage1.encoder.enc1.conv.conv.weight",
        "stage2.encoder_attention.enc1.conv.conv.weight",
        "stage2.decoder.dec5.conv.conv.weight",
    )

    def state_dict(self, content: Mapping[str, Any]) -> StateDict | None:
        return weights_under(content, PREFIXES, self.deciding_keys[0])

    def load(self, content: Mapping[str, Any], weights: StateDict) -> LoadedNetwork:
        network = DeepFillV2(
            width_of(weights, self.deciding_keys[0]),
            width_of(weights, self.deciding_keys[2]),
            padding="reflect",
            gated_output=True,
            guided_refinement=True,
            attention_activation="elu",
            attention={"invalid": "excluded", "count_overlap": True},
        )
        encoder, neck = [f"enc{number}" for number in range(1, 7)], [f"dilation_convs.{index}" for index in range(4)]
        decoder = [f"decoder.dec{number}.conv.conv" for number in range(1, 8)]
        attention = "stage2.contextual_attention_neck"
        return load_layers(
            self.name, network, weights,
            {
                "coarse": [
                    *(f"stage1.encoder.{layer}.conv.conv" for layer in encoder),
                    *(f"stage1.dilation_neck.{layer}.conv.conv" for layer in neck),
                    *(f"stage1.{layer}" for layer in decoder),
                ],
                "hallucinate": [
                    *(f"stage2.encoder_conv.{layer}.conv.conv" for layer in encoder),
                    *(f"stage2.dilation_neck.{layer}.conv.conv" for layer in neck),
                ],
                "attend": [f"stage2.encoder_attention.{layer}.conv.conv" for layer in encoder],
                "attended": [f"{attention}.conv{number}.conv.conv" for number in (1, 2)],
                "refine": [f"stage2.{layer}" for layer in decoder],
            },
            optional=[f"{attention}.contextual_attention.fuse_kernel"],
            blue_first=True,
        )  # fmt: skip

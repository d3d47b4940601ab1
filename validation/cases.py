"""The cases of a validation: pictures with masks, in batches, and what PyTorch makes of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call

from inpaintrt.export.deployed import ImageNetwork, TensorNetwork
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BundleError
from inpaintrt.runtime.images import decode_mask

from .masks import MaskCase, mask_corpus
from .pictures import PictureSource

EXTREME_CASES = ("irregular 0.2-0.3 border", "all hole", "one valid pixel")
"""Masks that are also tried at the smallest and largest size of a dynamic network."""

HALF_UNIT = 2.0**-12
"""Half a unit in the last place of FP16, relative to the largest value of its binade; the least that rounding moves."""


@dataclass(frozen=True)
class Batch:
    """Pictures of one call: names [N], image uint8 [N,H,W,3], hole bool [N,H,W]."""

    names: tuple[str, ...]
    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """A batch, what the network is given for it, and PyTorch's results in FP32.

    Args:
        batch: the pictures and masks.
        network_image, network_mask: float32 [N,3,H,W] and [N,1,H,W] in the network's own range and polarity.
        output: float32 [N,3,H,W].
        updated_mask: float32 [N,1 or C,H,W], or None.
        composite: uint8 [N,H,W,3].
        picture: the network's picture before rounding to 8 bits, float32 [N,H,W,3], 0..255.
        disturbed_picture: the same in FP32 with every weight moved by as much as rounding to FP16 moves one: no FP16
            graph can be expected to come closer than this.
    """

    batch: Batch
    network_image: NDArray[np.float32]
    network_mask: NDArray[np.float32]
    output: NDArray[np.float32]
    updated_mask: NDArray[np.float32] | None
    composite: NDArray[np.uint8]
    picture: NDArray[np.float32]
    disturbed_picture: NDArray[np.float32]


FIXED_MASK_PICTURES = 4
"""Pictures that a network whose mask is fixed is tried on."""


def make_batches(bundle: Bundle, source: PictureSource, seed: int, extra: Sequence[MaskCase] = ()) -> Iterator[Batch]:
    """The mask corpus at the best size, and a few of its masks at the smallest and largest size if they differ.

    Every call has as many pictures as the network takes at most, each with a mask of its own. A network whose mask is
    fixed is tried with that one on several pictures.
    """
    profile = bundle.interface.profile
    fixed = fixed_hole(bundle)
    if fixed is not None:
        cases = [MaskCase(f"fixed mask, picture {number + 1}", fixed) for number in range(FIXED_MASK_PICTURES)]
        yield from _batches(cases, fixed.shape[0], fixed.shape[1], profile.batch[2], source)
        return
    sizes = dict.fromkeys(
        (profile.height[index], profile.width[index]) for index in (1, 0, 2)
    )  # the best size first; a dictionary keeps each size once
    if profile.height[0] != profile.height[2]:
        sizes[profile.height[0], profile.width[2]] = None  # not square
    for number, (height, width) in enumerate(sizes):
        cases = [*mask_corpus(height, width, seed), *(extra if number == 0 else ())]
        if number > 0:
            cases = [case for case in cases if case.name in EXTREME_CASES]
        yield from _batches(cases, height, width, profile.batch[2], source)


def fixed_hole(bundle: Bundle) -> NDArray[np.bool_] | None:
    """The fixed mask of a bundle at the size its network runs at, where what is not of the picture is hole."""
    artifact = bundle.fixed_mask()
    if artifact is None:
        return None
    hole = decode_mask(bundle.file(artifact), artifact.path)
    padded = np.ones((bundle.interface.profile.height[1], bundle.interface.profile.width[1]), dtype=np.bool_)
    if any(size > limit for size, limit in zip(hole.shape, padded.shape, strict=True)):
        raise BundleError(f"{bundle.path}: its fixed mask is larger than its network; export it again")
    padded[: hole.shape[0], : hole.shape[1]] = hole
    return padded


def _batches(cases: Sequence[MaskCase], height: int, width: int, count: int, source: PictureSource) -> Iterator[Batch]:
    pictures = source.pictures(height, width)
    for start in range(0, len(cases), count):
        # A last batch that is not full begins again from the front.
        chosen = [cases[(start + index) % len(cases)] for index in range(count)]
        yield Batch(
            tuple(f"{case.name} {height}x{width}" for case in chosen),
            np.stack([next(pictures) for _ in chosen]),
            np.stack([case.hole for case in chosen]),
        )


class TorchReference:
    """The PyTorch network in FP32 on the CPU."""

    def __init__(self, network: TensorNetwork, bundle: Bundle):
        self._network = ImageNetwork(network)
        self._mask_output = bundle.interface.updated_mask_output
        self._disturbed = _disturb(network)

    def compose(self, batch: Batch, output: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The composite that belongs to a float output [N,3,H,W]."""
        mask = torch.from_numpy(batch.hole.astype(np.uint8))
        composite = self._network.compose(torch.from_numpy(batch.image), mask, torch.from_numpy(output))
        return np.asarray(composite)

    def run(self, batch: Batch) -> Reference:
        """What a candidate must reproduce."""
        image, mask = torch.from_numpy(batch.image), torch.from_numpy(batch.hole.astype(np.uint8))
        with torch.no_grad():
            network_image, network_mask = self._network.prepare(image, mask)
            outputs = self._network.tensor_network(network_image, network_mask)
            composite = self._network.compose(image, mask, outputs[0])
            disturbed = functional_call(
                self._network.tensor_network, self._disturbed, (network_image.half().float(), network_mask)
            )
            picture, disturbed_picture = (self._network.picture(each[0]).numpy() for each in (outputs, disturbed))
        updated = None if self._mask_output is None else outputs[self._mask_output].float().numpy()
        return Reference(
            batch, network_image.numpy(), network_mask.numpy(), outputs[0].numpy(), updated, composite.numpy(),
            picture,
            disturbed_picture,
        )  # fmt: skip


def _disturb(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights moved at random by up to half a unit in the last place of FP16, relative to their own size.

    Rounding the weights themselves would not do: a checkpoint may be stored in FP16, while the graph's weights, with
    batch norm folded in, are rounded anew.
    """
    generator = torch.Generator().manual_seed(0)
    return {
        name: weight.detach() * (1 + HALF_UNIT * (2 * torch.rand(weight.shape, generator=generator) - 1))
        for name, weight in network.named_parameters()
    }

"""The cases of a validation: pictures with masks, in batches, and what PyTorch makes of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call

from inpaintrt.export.options import padded_mask
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.runtime.bundle import Bundle, Profile
from inpaintrt.runtime.errors import BundleError
from inpaintrt.runtime.images import decode_mask

from .images import Pair, PictureSource, fit, fit_mask
from .masks import line_drawing, mask_corpus
from .torch_half import MoveResults, RoundToHalf, rounded

EXTREME_CASES = ("irregular 0.2-0.3 border", "all hole", "one valid pixel")
"""Masks that are also tried at the smallest and largest size of a dynamic network."""

HALF_UNIT = 2.0**-12
"""Half a unit in the last place of FP16, relative to the largest value of its binade; the least that rounding moves."""


@dataclass(frozen=True)
class Batch:
    """Pictures of one call: names [N], image uint8 [N,H,W,3], hole bool [N,H,W]; sketch bool [N,H,W] if it has one."""

    names: tuple[str, ...]
    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]
    sketch: NDArray[np.bool_] | None = None


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
        disturbed_output, disturbed_picture: output and picture in FP32 with every weight moved by as much as rounding
            to FP16 moves one: no FP16 graph can be expected to come closer than this.
        network_sketch: float32 [N,1,H,W], 1 = line, or None.
    """

    batch: Batch
    network_image: NDArray[np.float32]
    network_mask: NDArray[np.float32]
    output: NDArray[np.float32]
    updated_mask: NDArray[np.float32] | None
    composite: NDArray[np.uint8]
    picture: NDArray[np.float32]
    disturbed_output: NDArray[np.float32]
    disturbed_picture: NDArray[np.float32]
    network_sketch: NDArray[np.float32] | None = None


FIXED_MASK_PICTURES = 4
"""Pictures that a network whose mask is fixed is tried on."""


def fixed_mask_batches(hole: NDArray[np.bool_], source: PictureSource, count: int) -> Iterator[Batch]:
    """A network's fixed mask, bool [H,W], on several pictures, in batches of `count`."""
    pictures = source.pictures(*hole.shape)
    names = [f"fixed mask, picture {number + 1}" for number in range(max(FIXED_MASK_PICTURES, count))]
    yield from _batches([_Case(name, hole, next(pictures)) for name in names], count)


def fixed_hole(bundle: Bundle) -> NDArray[np.bool_] | None:
    """The fixed mask of a bundle at the size its network runs at, where what is not of the picture is hole."""
    artifact = bundle.fixed_mask()
    if artifact is None:
        return None
    hole = decode_mask(bundle.file(artifact), artifact.path)
    profile = bundle.interface.profile
    if hole.shape[0] > profile.height[1] or hole.shape[1] > profile.width[1]:
        raise BundleError(f"{bundle.path}: its fixed mask is larger than its network; export it again")
    return padded_mask(hole, profile)


def make_batches(profile: Profile, source: PictureSource, seed: int, pairs: Sequence[Pair] = ()) -> Iterator[Batch]:
    """The mask corpus at the best size, and a few of its masks at the smallest and largest size if they differ.

    Every call has as many pictures as the network takes at most, each with a mask of its own; a network that takes
    several is also tried with as few as it takes.

    Args:
        profile: the sizes the network takes.
        source: of pictures.
        seed: of the masks, and of their order in batches.
        pairs: the user's own masks, with pictures of their own or None, tried at the best size.
    """
    fewest, _, most = profile.batch
    sizes = dict.fromkeys(
        (profile.height[index], profile.width[index]) for index in (1, 0, 2)
    )  # the best size first; a dictionary keeps each size once
    if profile.height[0] != profile.height[2]:
        sizes[profile.height[0], profile.width[2]] = None  # not square
    for number, (height, width) in enumerate(sizes):
        pictures = source.pictures(height, width)
        cases = [_Case(case.name, case.hole, next(pictures)) for case in mask_corpus(height, width, seed)]
        extreme = [case for case in cases if case.name in EXTREME_CASES]
        if number == 0:
            cases += [_own_case(pair, next(pictures)) for pair in pairs]
            if most > 1:  # so that irregular and degenerate masks meet in one batch
                cases = [cases[index] for index in np.random.default_rng(seed).permutation(len(cases))]
        yield from _batches(cases if number == 0 else extreme, most)
        if number == 0 and fewest != most:
            yield from _batches(extreme, fewest)


def with_sketches(batches: Iterable[Batch], seed: int) -> Iterator[Batch]:
    """The batches with lines drawn over each picture, within and outside the holes."""
    rng = np.random.default_rng(seed)
    for batch in batches:
        _, height, width = batch.hole.shape
        yield replace(batch, sketch=np.stack([line_drawing(height, width, rng) for _ in batch.names]))


@dataclass(frozen=True)
class _Case:
    """A mask and its picture: hole bool [H,W], image uint8 [H,W,3]."""

    name: str
    hole: NDArray[np.bool_]
    image: NDArray[np.uint8]


def _own_case(pair: Pair, otherwise: NDArray[np.uint8]) -> _Case:
    height, width = otherwise.shape[:2]
    image = otherwise if pair.picture is None else fit(pair.picture, height, width)
    return _Case(f"mask {pair.name}", fit_mask(pair.hole, height, width), image)


def _batches(cases: Sequence[_Case], count: int) -> Iterator[Batch]:
    for start in range(0, len(cases), count):
        # A last batch that is not full begins again from the front.
        chosen = [cases[(start + index) % len(cases)] for index in range(count)]
        height, width = chosen[0].hole.shape
        suffix = f" {height}x{width}" + (f" by {count}" if count > 1 else "")
        yield Batch(
            tuple(case.name + suffix for case in chosen),
            np.stack([case.image for case in chosen]),
            np.stack([case.hole for case in chosen]),
        )


class TorchReference:
    """The PyTorch network in FP32 on the CPU."""

    def __init__(self, network: TensorNetwork, bundle: Bundle):
        self._network = ImageNetwork(network)
        self._mask_output = bundle.interface.updated_mask_output
        self._disturbed = _disturb(network)

    @property
    def network(self) -> ImageNetwork:
        """The network, from pictures to composite."""
        return self._network

    def run_inverted(self, batch: Batch) -> NDArray[np.float32]:
        """The output [N,3,H,W] with holes and known pixels exchanged: what a flipped polarity gives."""
        with torch.no_grad():
            prepared = self._prepare(replace(batch, hole=~batch.hole))
            output: NDArray[np.float32] = self._network.tensor_network(*prepared)[0].numpy()
        return output

    def run_disturbed_fp32(self, batch: Batch) -> NDArray[np.float32]:
        """The output [N,3,H,W] with each result inside moved by up to a rounding of FP32: how sure FP32 is."""
        with torch.no_grad():
            prepared = self._prepare(batch)
            with MoveResults():
                output = self._network.tensor_network(*prepared)[0]
        return np.asarray(output)

    def run_half(self, batch: Batch) -> dict[str, NDArray[np.float32]]:
        """The outputs by name as PyTorch's own FP16 gives them: no candidate, but a comparison."""
        network = self._network.tensor_network
        weights = {
            name: rounded(tensor.detach()) for name, tensor in (*network.named_parameters(), *network.named_buffers())
        }
        with torch.no_grad():
            prepared = tuple(rounded(tensor) for tensor in self._prepare(batch))
            with RoundToHalf():  # type: ignore[no-untyped-call]
                outputs = functional_call(network, weights, prepared)
        named = {"output": outputs[0].float().numpy(), "updated_mask": self._updated_mask(outputs)}
        return {name: value for name, value in named.items() if value is not None}

    def picture(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """A float output [N,3,H,W] as a picture before rounding: float32 [N,H,W,3], 0..255."""
        return np.asarray(self._network.picture(torch.from_numpy(output)))

    def compose(self, batch: Batch, output: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The composite that belongs to a float output [N,3,H,W]."""
        mask = torch.from_numpy(batch.hole.astype(np.uint8))
        composite = self._network.compose(torch.from_numpy(batch.image), mask, torch.from_numpy(output))
        return np.asarray(composite)

    def run(self, batch: Batch) -> Reference:
        """What a candidate must reproduce."""
        image, mask = torch.from_numpy(batch.image), torch.from_numpy(batch.hole.astype(np.uint8))
        with torch.no_grad():
            network_image, *planes = self._prepare(batch)
            outputs = self._network.tensor_network(network_image, *planes)
            composite = self._network.compose(image, mask, outputs[0])
            disturbed = functional_call(
                self._network.tensor_network, self._disturbed, (network_image.half().float(), *planes)
            )
            picture, disturbed_picture = (self._network.picture(each[0]).numpy() for each in (outputs, disturbed))
        return Reference(
            batch, network_image.numpy(), planes[0].numpy(), outputs[0].float().numpy(), self._updated_mask(outputs),
            composite.numpy(), picture, disturbed[0].float().numpy(), disturbed_picture,
            planes[1].numpy() if len(planes) > 1 else None,
        )  # fmt: skip

    def _prepare(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """What the network is given for a batch."""
        hole = torch.from_numpy(batch.hole.astype(np.uint8))
        sketch = None if batch.sketch is None else torch.from_numpy(batch.sketch.astype(np.uint8))
        return self._network.prepare(torch.from_numpy(batch.image), hole, sketch)

    def _updated_mask(self, outputs: tuple[torch.Tensor, ...]) -> NDArray[np.float32] | None:
        if self._mask_output is None:
            return None
        if self._mask_output >= len(outputs):
            raise BundleError(
                f"bundle.json calls output {self._mask_output} the updated mask, but the network returns "
                f"{len(outputs)}; export it again"
            )
        return np.asarray(outputs[self._mask_output].float())


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

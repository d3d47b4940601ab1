"""The cases of a validation in batches: images with masks, and with lines where the network takes a sketch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inpaintrt.export.options import padded_mask
from inpaintrt.runtime.bundle import Bundle, Profile
from inpaintrt.runtime.errors import BundleError
from inpaintrt.runtime.images import decode_mask

from .images import ImageSource, Pair, fit, fit_mask
from .masks import MaskCase, line_drawing, mask_corpus

EXTREME_CASES = ("irregular 0.2-0.3 border", "all hole", "one known pixel")
"""Masks that are also tried at the smallest size of a dynamic network. At its largest and at one that is not square the
first one is tried: an image of twice the side takes four times as long."""

INSIDE = " inside"
"""How the names of irregular masks end that leave the border free. Networks of dynamic size are tried on them at the
smallest size only."""

QUICK_CASES = ("irregular 0.2-0.3 border", "one known pixel", "checkerboard", "free-form strokes", "all hole")
"""Masks of the quick validation: an ordinary hole first; then those on which the most mistakes are caught (see
docs/validation.md): rounding is magnified most by one known pixel and by all hole, masks differ most between wrong and
right resampling on a checkerboard, and strokes have edges in all directions."""

FIXED_MASK_IMAGES = 4
"""Images that a network whose mask is fixed is tried on."""


@dataclass(frozen=True)
class Batch:
    """Images of one call: names [N], image uint8 [N,H,W,3], hole bool [N,H,W]; sketch bool [N,H,W] if it has one.

    `telling` is whether a mask is among those of the quick validation, or of a network whose mask is fixed.
    """

    names: tuple[str, ...]
    image: NDArray[np.uint8]
    hole: NDArray[np.bool_]
    sketch: NDArray[np.bool_] | None = None
    telling: bool = False

    @property
    def pixels(self) -> int:
        """Of all its images."""
        return int(self.hole.size)


def fixed_mask_batches(hole: NDArray[np.bool_], source: ImageSource, count: int) -> Iterator[Batch]:
    """A network's fixed mask, bool [H,W], on several images, in batches of `count`."""
    images = source.images(*hole.shape)
    names = [f"fixed mask, image {number + 1}" for number in range(max(FIXED_MASK_IMAGES, count))]
    yield from _batches([_Case(name, hole, next(images), telling=True) for name in names], count)


def fixed_hole(bundle: Bundle) -> NDArray[np.bool_] | None:
    """The fixed mask of a bundle at the size its network runs at, where what is not of the image is hole."""
    artifact = bundle.fixed_mask()
    if artifact is None:
        return None
    hole = decode_mask(bundle.file(artifact), artifact.path)
    profile = bundle.interface.profile
    if hole.shape[0] > profile.height[1] or hole.shape[1] > profile.width[1]:
        raise BundleError(f"{bundle.path}: its fixed mask is larger than its network; export it again")
    return padded_mask(hole, profile)


def make_batches(
    profile: Profile, source: ImageSource, seed: int, pairs: Sequence[Pair] = (), quick: bool = False
) -> Iterator[Batch]:
    """The mask corpus at the best size; at other sizes, if there are such, a few of its masks.

    Every call has as many images as the network takes at most, each with a mask of its own; a network that takes
    several is also tried with as few as it takes.

    Args:
        profile: the sizes the network takes.
        source: of images.
        seed: of the masks, and of their order in batches.
        pairs: the user's own masks, with images of their own or None, tried at the best size.
        quick: only the masks of `QUICK_CASES`, and one mask at other sizes, of which the largest is left out.
    """
    fewest, _, most = profile.batch
    for number, (height, width) in enumerate(_sizes(profile, quick)):
        images = source.images(height, width)
        corpus = _masks(profile, (height, width), seed, quick)
        telling = EXTREME_CASES[:1] if number else QUICK_CASES
        cases = [_Case(case.name, case.hole, next(images), case.name in telling) for case in corpus]
        extreme = [case for case in cases if case.name in EXTREME_CASES]
        if number == 0:
            cases += [_own_case(pair, next(images)) for pair in pairs]
            if most > 1:  # so that irregular and degenerate masks meet in one batch
                cases = [cases[index] for index in np.random.default_rng(seed).permutation(len(cases))]
        yield from _batches(cases, most)
        if number == 0 and fewest != most:
            yield from _batches(extreme, fewest)


def _masks(profile: Profile, size: tuple[int, int], seed: int, quick: bool) -> list[MaskCase]:
    """The masks that a network is tried on at a size, see `make_batches`."""
    smallest, best = ((profile.height[index], profile.width[index]) for index in (0, 1))
    if quick or size not in (smallest, best):
        return mask_corpus(*size, seed, QUICK_CASES if size == best else EXTREME_CASES[:1])
    corpus = mask_corpus(*size, seed)
    if smallest == best:
        return corpus
    if size == best:
        return [case for case in corpus if not case.name.endswith(INSIDE)]
    return [case for case in corpus if case.name.endswith(INSIDE) or case.name in EXTREME_CASES]


def _sizes(profile: Profile, quick: bool) -> list[tuple[int, int]]:
    """Each size once, the best first; the last one is not square, if the network takes such."""
    sizes = [(profile.height[index], profile.width[index]) for index in ((1, 0) if quick else (1, 0, 2))]
    if profile.height[0] != profile.height[2]:
        sizes.append((profile.height[0], profile.width[1 if quick else 2]))
    return list(dict.fromkeys(sizes))


def with_sketches(batches: Iterable[Batch], seed: int) -> Iterator[Batch]:
    """The batches with lines drawn over each image, within and outside the holes."""
    rng = np.random.default_rng(seed)
    for batch in batches:
        _, height, width = batch.hole.shape
        yield replace(batch, sketch=np.stack([line_drawing(height, width, rng) for _ in batch.names]))


@dataclass(frozen=True)
class _Case:
    """A mask and its image: hole bool [H,W], image uint8 [H,W,3]."""

    name: str
    hole: NDArray[np.bool_]
    image: NDArray[np.uint8]
    telling: bool = False


def _own_case(pair: Pair, otherwise: NDArray[np.uint8]) -> _Case:
    height, width = otherwise.shape[:2]
    image = otherwise if pair.image is None else fit(pair.image, height, width)
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
            telling=any(case.telling for case in chosen),
        )

"""What a validation works on: a bundle with unaltered files, its network, and the cases to try."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from inpaintrt.export.interface import Interface
from inpaintrt.export.models import evaluating
from inpaintrt.export.source import check_same_weights, find_again
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BundleError, CheckpointError, UsageError

from .batches import Batch, fixed_hole, fixed_mask_batches, make_batches, with_sketches
from .expected import TorchReference
from .images import ImageSource, find_images, find_pairs

OnProgress = Callable[[str, float], None]

COMPARED = 3
"""Batches that PyTorch's own FP16 runs on."""


@dataclass(frozen=True)
class Job:
    """A bundle whose files are unaltered, and the network it was exported from, in evaluation mode."""

    bundle: Bundle
    reference: TorchReference


@contextmanager
def open_job(
    bundle: str | Path, *, network: nn.Module | str | None = None, checkpoint: Path | None = None
) -> Iterator[Job]:
    """Everything a validation needs; arguments and errors as `validate`."""
    opened = Bundle.open(bundle)
    for artifact in opened.artifacts:
        opened.file(artifact)
    with bundles.stage(opened.path / bundles.REPORTS, "writable", b""):
        pass  # a report that cannot be written is better known before the work than after it
    if isinstance(network, nn.Module):
        check_same_weights(network, opened.source)
    else:
        _check_checkpoint(opened, checkpoint, network)
        network = find_again(opened.source, opened.path, checkpoint, network).network
    try:
        tensor_network = TensorNetwork(network, Interface.from_dict(opened.network))
    except (TypeError, ValueError) as error:
        raise BundleError(f"{opened.path / bundles.DOCUMENT}: {error}; export it again") from None
    with evaluating(network):
        yield Job(opened, TorchReference(tensor_network, opened))


def _check_checkpoint(bundle: Bundle, checkpoint: Path | None, network: str | None) -> None:
    """Say what to do where a bundle was copied and its checkpoint was not."""
    recorded = bundle.source.get("checkpoint" if network is not None else "path")
    if checkpoint is not None or not isinstance(recorded, str):
        return
    if not (bundle.path / recorded).is_file():
        raise CheckpointError(
            f"{bundle.path}: its checkpoint is not at {recorded} (from the bundle's folder), as when a bundle is "
            "copied elsewhere; say where it is with --checkpoint PATH"
        )


@dataclass(frozen=True)
class Plan:
    """The cases of a validation.

    Args:
        batches: the cases, in batches.
        seed: they were made with.
        words: what they are.
    """

    batches: tuple[Batch, ...]
    seed: int
    words: str

    @property
    def telling(self) -> tuple[Batch, ...]:
        """The batches on which most mistakes show, for what need not run on all; all of them if none is marked."""
        return tuple(batch for batch in self.batches if batch.telling) or self.batches

    @property
    def for_comparison(self) -> tuple[Batch, ...]:
        """The batches that PyTorch's own FP16 is shown on: it takes longer than any candidate."""
        return self.telling[:COMPARED]


def make_plan(
    bundle: Bundle, images: Path | None = None, masks: Path | None = None, seed: int = 0, quick: bool = False
) -> Plan:
    """The mask corpus or its quick part, and the user's own images and masks; arguments and errors as `validate`."""
    files = find_images(images)
    words = f"{len(files)} images of {images}" if files else "synthetic images"
    source, profile, fixed = ImageSource(files, seed), bundle.interface.profile, fixed_hole(bundle)
    if fixed is not None:
        if masks is not None:
            raise UsageError("--masks: the mask of this bundle is fixed; export it without --fixed-mask to try others")
        batches = fixed_mask_batches(fixed, source, profile.batch[2])
        words += ", its fixed mask"
    else:
        pairs = find_pairs(masks, files)
        batches = make_batches(profile, source, seed, pairs, quick)
        words += f", {'quick part of the ' if quick else ''}mask corpus" + (
            f" and {len(pairs)} masks of {masks}" if pairs else ""
        )
    if "sketch" in bundle.interface.inputs:
        batches = with_sketches(batches, seed)
        words += ", with lines drawn"
    return Plan(tuple(batches), seed, words)

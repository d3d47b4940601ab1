"""What an export depends on besides the network, and what of it is refused before any work."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inpaintrt.runtime.bundle import Precision, Profile
from inpaintrt.runtime.errors import UsageError

from .interface import Interface

Io = Literal["image", "tensor"]


@dataclass(frozen=True)
class ExportOptions:
    """What an export depends on besides the network.

    Args:
        profile: sizes in pixels; multiples of the network's size multiple.
        io: `image` for uint8 images, `tensor` for the network's own float32 tensors.
        precisions: any of `fp32`, `fp16`.
        optimize: False for the plain trace of `torch.onnx.export`, which exists only in FP32.
        keep_fp32: names or patterns of nodes that stay FP32 in the FP16 graph.
        fixed_mask: bool [H,W], True = hole, of a network that fills the same holes in every image and takes no mask;
            `profile` is then of its size, see `profile_of_mask`.
        explain: fill `ExportReport.layers`.
    """

    profile: Profile
    io: Io = "image"
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    optimize: bool = True
    keep_fp32: tuple[str, ...] = ()
    fixed_mask: NDArray[np.bool_] | None = None
    explain: bool = False


def check_options(interface: Interface, options: ExportOptions) -> None:
    """Refuse options that contradict each other or do not fit the network.

    Raises:
        UsageError: saying which, and what would fit.
    """
    multiple, profile = interface.size_multiple, options.profile
    if options.io not in ("image", "tensor"):
        raise UsageError(f"io is image or tensor, not {options.io!r}")
    for name in ("height", "width"):
        limits = getattr(profile, name)
        _check_order(name, limits)
        wrong = [size for size in limits if size % multiple]
        if wrong:
            below, above = wrong[0] // multiple * multiple, -(-wrong[0] // multiple) * multiple
            near = f"{below} or {above}" if below else f"{above}"
            raise UsageError(f"{name} {wrong[0]} is not a multiple of {multiple}, which this network needs; use {near}")
    _check_order("batch", profile.batch)
    if not options.precisions or set(options.precisions) - {"fp32", "fp16"}:
        raise UsageError(f"--precision is fp32, fp16 or fp32,fp16, not {','.join(options.precisions) or 'empty'}")
    if not options.optimize and "fp16" in options.precisions:
        raise UsageError(
            "--no-optimize gives the plain FP32 trace; the FP16 graph needs the passes: add --precision fp32"
        )


def _check_order(name: str, limits: tuple[int, int, int]) -> None:
    low, best, high = limits
    if not 1 <= low <= best <= high:
        raise UsageError(f"{name} {low},{best},{high}: expected 1 <= smallest <= best <= largest")


def profile_of_mask(hole: NDArray[np.bool_], batch: tuple[int, int, int], interface: Interface) -> Profile:
    """The sizes of a network for one mask [H,W]: the mask's, made up to the size multiple.

    Raises:
        UsageError: if it is no mask, or has no hole.
    """
    if hole.ndim != 2 or hole.dtype != np.bool_ or not hole.any():
        what = "has no hole" if hole.ndim == 2 and hole.dtype == np.bool_ else f"is {hole.dtype} {hole.shape}"
        raise UsageError(f"the fixed mask {what}; expected bool [H,W] with True where the network is to fill")
    height, width = (-(-size // interface.size_multiple) * interface.size_multiple for size in hole.shape)
    return Profile(batch, (height,) * 3, (width,) * 3)


def padded_mask(hole: NDArray[np.bool_], profile: Profile) -> NDArray[np.bool_]:
    """A mask [H,W], no larger, at the profile's size; what lies outside the image counts as hole."""
    padded = np.ones((profile.height[1], profile.width[1]), dtype=np.bool_)
    padded[: hole.shape[0], : hole.shape[1]] = hole
    return padded

"""The limits of a validation: the design's, or a bundle's own, or those of one run; what was loosened is said aloud."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from inpaintrt.runtime.errors import BundleError, UsageError

FILE = "tolerances.json"
"""In a bundle: `{"limits": {NAME: VALUE}, "reason": "..."}`. A new export leaves it where it is."""

AT_LEAST = ("within_one", "psnr")
"""Limits from below; all others are limits from above."""


@dataclass(frozen=True)
class Tolerances:
    """Limits over the whole corpus.

    Args:
        relative_l2: FP32 outputs differ by the order of additions only; 1e-5 leaves a factor of ten for deep networks.
        fp32_error: of FP32 outputs that are not within `relative_l2` of PyTorch FP32, how many times PyTorch FP32's own
            distance from PyTorch in FP64 their distance may be; another order of additions makes at most four in
            networks without great magnification, and more by chance where all depends on one pixel.
        fp32_difference: of FP32 composites, in 1/255: rounding can go either way at a half.
        fp16_error: of FP16 outputs, how many times the error of rounded weights alone; each layer rounds its sum, its
            ratio and their product besides its weights, which makes two to four in networks of partial convolution and
            up to 6.4 in gated ones, whose products of two features round twice.
        max_difference: of composites, in 1/255; FP16 rounding of a steep network can cross three levels.
        within_one: share of composite values in the holes that differ by at most 1/255.
        psnr: in the holes, dB; 50 dB is an error no display shows.
        excess: how many dB below that of rounded weights alone the PSNR may be in an ill-conditioned case; 12 dB is
            four times their error, as each layer rounds its sum, its ratio and their product besides its weights.
        composition: of a composite and the candidate's own float output: rounding can go either way at a half.
        composition_share: share of composite values in holes that may do so; halves are rare.
        mean_difference: of composites in holes, signed, in 1/255: errors of rounding cancel, a wrong rounding or
            brightness does not.
    """

    relative_l2: float = 1e-5
    fp32_error: float = 16.0
    fp32_difference: int = 1
    fp16_error: float = 8.0
    max_difference: int = 3
    within_one: float = 0.999
    psnr: float = 50.0
    excess: float = 12.0
    composition: int = 1
    composition_share: float = 0.01
    mean_difference: float = 0.2

    def loosened(self) -> list[tuple[str, float, float]]:
        """Name, value and the design's value of each limit that lets more pass than the design does."""
        design, found = asdict(Tolerances()), []
        for name, value in asdict(self).items():
            looser = value < design[name] if name in AT_LEAST else value > design[name]
            if looser:
                found.append((name, value, design[name]))
        return found

    def with_limits(self, limits: Mapping[str, Any]) -> "Tolerances":
        """A copy with other limits.

        Raises:
            ValueError: if a name is unknown or a value is no number.
        """
        known = [entry.name for entry in fields(self)]
        for name, value in limits.items():
            if name not in known:
                raise ValueError(f"no limit is called {name!r}; there are {', '.join(known)}")
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} is {value!r}, expected a number that is not negative")
        return replace(self, **limits)


@dataclass(frozen=True)
class ChosenTolerances:
    """Tolerances, where they are from, and why, as far as someone said."""

    limits: Tolerances = field(default_factory=Tolerances)
    source: str = "the design"
    reason: str = ""


def choose_tolerances(bundle: Path, options: Sequence[str] = ()) -> ChosenTolerances:
    """The bundle's own tolerances if it has some, else the design's; changed by options `NAME=VALUE`.

    Raises:
        BundleError: if the bundle's file is malformed.
        UsageError: if an option is.
    """
    chosen, path = ChosenTolerances(), bundle / FILE
    if path.exists():
        try:
            values = json.loads(path.read_bytes())
            limits, reason = values["limits"], str(values.get("reason", ""))
            chosen = ChosenTolerances(chosen.limits.with_limits(limits), f"{FILE} of the bundle", reason)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise BundleError(f'{path}: {what}; expected {{"limits": {{"psnr": 45}}, "reason": "..."}}') from None
    if not options:
        return chosen
    try:
        given = {name: _number(value) for name, _, value in (option.partition("=") for option in options)}
        changed = chosen.limits.with_limits(given)
    except ValueError as error:
        raise UsageError(f"--tolerance: {error}") from None
    return replace(chosen, limits=changed, source=f"{chosen.source}, changed by --tolerance")


def _number(text: str) -> float | int:
    try:
        return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise ValueError(f"expected NAME=NUMBER, such as psnr=45, not {text!r}") from None

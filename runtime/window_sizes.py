"""What sizes windows have: context around holes, sizes that the network takes, and what each costs."""

from dataclasses import dataclass
from typing import Literal

from .arrays import padded_size
from .bundle import DeployedInterface
from .cells import Box
from .errors import ImageError, UsageError

Choice = Literal["auto", "whole"] | int
"""What `--window` says: the whole image or windows, by cost; the whole image; windows of one size in pixels."""

CONTEXT = 64
"""Pixels around holes that a window has at least, as far as a quarter of the largest one and the image allow."""

STEP = 64
"""Sizes of windows are multiples of this, so that many have the same one and run as a batch."""


@dataclass(frozen=True)
class Axis:
    """One axis of the image and of the network: its `length` in pixels, and sizes that the network takes."""

    length: int
    smallest: int
    largest: int
    multiple: int
    fixed: bool

    @property
    def context(self) -> int:
        """What a window has around holes at least."""
        return min(CONTEXT, self.largest // 4)

    def reach(self, start: int, stop: int, scale: int) -> tuple[int, int]:
        """The reduced interval that holds `start`..`stop` and its context, inside the image."""
        first, last = start // scale, -(-stop // scale)
        context = max(self.context, -(-(last - first) // 4))
        return max(first - context, 0), min(last + context, -(-self.length // scale))

    def fits(self, start: int, stop: int, scale: int = 1) -> bool:
        """Whether one window holds it."""
        first, last = self.reach(start, stop, scale)
        return last - first <= self.largest

    def side(self, start: int, stop: int, scale: int = 1) -> int:
        """The window's size for what fits."""
        if self.fixed:
            return self.largest
        first, last = self.reach(start, stop, scale)
        step = -(-STEP // self.multiple) * self.multiple
        return max(self.smallest, min(-(-(last - first) // step) * step, self.largest))

    def area(self, start: int, stop: int, scale: int = 1) -> slice:
        """The window around the middle of what it holds, moved inside the image."""
        first, last = self.reach(start, stop, scale)
        side, limit = self.side(start, stop, scale), -(-self.length // scale)
        begin = max(0, min((first + last - side) // 2, limit - side))
        return slice(begin, min(begin + side, limit))

    def padded(self, area: slice) -> int:
        """The size that the network runs at for a window."""
        return padded_size(area.stop - area.start, (self.smallest, 0, 0), self.multiple)


@dataclass(frozen=True)
class Sizes:
    """Both axes of an image and of the network that fills it."""

    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, shape: tuple[int, int], interface: DeployedInterface, choice: Choice) -> "Sizes":
        """Of an image of `shape`, height and width.

        Raises:
            ImageError: if `choice` is `whole` and the image is larger than the network takes.
        """
        multiple = interface.size_multiple
        limits = {"high": interface.profile.height, "wide": interface.profile.width}
        axes = []
        for length, (word, (smallest, _, most)) in zip(shape, limits.items(), strict=True):
            largest = most
            if choice == "whole" and length > largest:
                raise ImageError(
                    f"the image is {length} pixels {word}, but the network takes {largest} as a whole; "
                    "choose window auto, or a size"
                )
            if not isinstance(choice, str):
                largest = min(padded_size(choice, (smallest, 0, 0), multiple), largest)
            axes.append(Axis(length, smallest, largest, multiple, not isinstance(choice, str)))
        return cls(*axes)

    def fit(self, box: Box, scale: int = 1) -> bool:
        """Whether a window at 1/`scale` holds a box and its context."""
        return self.rows.fits(box.top, box.bottom, scale) and self.columns.fits(box.left, box.right, scale)

    def area(self, box: Box, scale: int = 1) -> tuple[slice, slice]:
        """The window around a box, in pixels of the image at 1/`scale`."""
        return self.rows.area(box.top, box.bottom, scale), self.columns.area(box.left, box.right, scale)

    def cost(self, area: tuple[slice, slice]) -> int:
        """Pixels that the network works on for a window."""
        return self.rows.padded(area[0]) * self.columns.padded(area[1])


def parse_choice(text: str) -> Choice:
    """The words of `--window`.

    Raises:
        UsageError: if they are none.
    """
    if text.isdecimal():
        return int(text)
    if text == "auto":
        return "auto"
    if text == "whole":
        return "whole"
    raise UsageError(f"window is {text!r}; expected auto, whole or a size in pixels")


def check_choice(choice: Choice, interface: DeployedInterface) -> Choice:
    """The choice, if the network has such windows.

    Raises:
        UsageError: saying what it has.
    """
    if isinstance(choice, str):
        return parse_choice(choice)
    limits = interface.profile.height, interface.profile.width
    smallest, largest = max(limit[0] for limit in limits), min(limit[2] for limit in limits)
    if not smallest <= choice <= largest:
        raise UsageError(f"window is {choice}, but the network takes {smallest} to {largest} pixels")
    return choice

"""Fills images in the host's memory: the whole image at once, or windows around its holes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import padded_shape
from .bundle import DeployedInterface
from .scaling import carried_up, reduced, reduced_lines
from .window_sizes import Choice
from .windows import Plan, Window, plan_windows

UInt8Array = NDArray[np.uint8]
Grid = NDArray[np.bool_]


class HostFiller:
    """Fills images of any size with the network of one backend. May be shared by threads."""

    def __init__(self, backend: Any, interface: DeployedInterface):
        """A backend that takes arrays, and what its network takes."""
        self._backend, self._interface = backend, interface
        self._last: tuple[Grid, Choice, Plan] | None = None

    def fill(self, image: UInt8Array, hole: Grid, line: Grid, choice: Choice) -> UInt8Array:
        """Fill the holes.

        Args:
            image: uint8 [N,H,W,3]; not changed.
            hole, line: bool [N,H,W].
            choice: whole images or windows.

        Raises:
            ImageError: if the choice does not fit the image and the network.
            BackendError: if the network cannot run.
        """
        step = self._interface.profile.batch[2]
        plans = {int(index): self._plan(hole[index], choice) for index in np.flatnonzero(hole.any(axis=(1, 2)))}
        whole = [index for index, plan in plans.items() if plan.is_whole]
        if len(image) == len(whole) <= step:
            return self._run(image, hole, line)
        result = np.array(image)
        for start in range(0, len(whole), step):
            chosen = whole[start : start + step]
            result[chosen] = self._run(image[chosen], hole[chosen], line[chosen])
        for index in plans.keys() - set(whole):
            self.fill_windows(result[index], hole[index], line[index], plans[index])
        return result

    def _plan(self, hole: Grid, choice: Choice) -> Plan:
        """The plan for these holes; the last one if they are the same, as in a clip whose mask does not move."""
        last = self._last
        if last is not None and last[1] == choice and np.array_equal(last[0], hole):
            return last[2]
        plan = plan_windows(hole, self._interface, choice)
        self._last = hole.copy(), choice, plan
        return plan

    def fill_windows(self, image: UInt8Array, hole: Grid, line: Grid, plan: Plan) -> None:
        """Fill `image` uint8 [H,W,3] in place, by a plan for `hole`. A round begins when the one before it is pasted.

        Raises:
            BackendError: if the network cannot run.
        """
        unknown = hole.copy()
        for windows in plan.rounds:
            patches = [
                (window, patch)
                for chosen in self._batches(windows)
                for window, patch in zip(chosen, self._run_windows(image, unknown, line, chosen), strict=True)
            ]
            for window, patch in patches:
                filled = plan.filled_by(window, hole)
                image[window.core][filled] = patch[filled]
                unknown[window.core] &= ~filled

    def _batches(self, windows: Sequence[Window]) -> Iterator[list[Window]]:
        """Windows of one size, as many as the network takes at once."""
        sizes: dict[tuple[int, int], list[Window]] = {}
        for window in windows:
            rows, columns = window.area
            sizes.setdefault((rows.stop - rows.start, columns.stop - columns.start), []).append(window)
        step = self._interface.profile.batch[2]
        for together in sizes.values():
            for start in range(0, len(together), step):
                yield together[start : start + step]

    def _run_windows(
        self, image: UInt8Array, unknown: Grid, line: Grid, windows: Sequence[Window]
    ) -> Iterator[UInt8Array]:
        """What the network makes of the core of each window."""
        given = [_part(image, unknown, line, window) for window in windows]
        results = self._run(*(np.stack(planes) for planes in zip(*given, strict=True)))
        for window, result in zip(windows, results, strict=True):
            if window.scale > 1:
                yield carried_up(result, window.area, window.core, window.scale)
            else:
                inside = (
                    slice(core.start - area.start, core.stop - area.start)
                    for core, area in zip(window.core, window.area, strict=True)
                )
                yield result[tuple(inside)].copy()

    def _run(self, image: UInt8Array, hole: Grid, line: Grid) -> UInt8Array:
        """Pad to a size the network takes, run, and cut off the padding; padding counts as hole."""
        size = padded_shape(hole.shape, self._interface)
        given: dict[str, Any] = {"image": image, "mask": hole, "sketch": line}
        filled: UInt8Array = self._backend.run({name: given[name] for name in self._interface.inputs}, size)
        return filled


def _part(image: UInt8Array, unknown: Grid, line: Grid, window: Window) -> tuple[UInt8Array, Grid, Grid]:
    """What the network is given for a window."""
    area, scale = window.area, window.scale
    if scale == 1:
        return image[area], unknown[area], line[area]
    return (*reduced(image, unknown, area, scale), reduced_lines(line, area, scale))

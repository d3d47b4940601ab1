"""Shares, means and PSNR over the values in holes, of enough values that they mean something.

A hole of one pixel has three values; two that are one level off are 33 % and 49.9 dB, and say nothing. So a case with
`ENOUGH` values is judged by itself, and all that have fewer are judged together; if they are too few even so, with the
smallest case that is large enough. The largest difference and NaN are judged in every case, however small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .metrics import CaseMetrics, psnr

ENOUGH = 3000
"""Values (1,000 pixels): the limit of 99.9 % leaves three of them, the least number of outliers that is no chance."""


@dataclass(frozen=True)
class Group:
    """Cases whose values are counted together, and what they are called."""

    cases: tuple[CaseMetrics, ...]
    name: str

    @property
    def values(self) -> int:
        """How many values there are in the holes."""
        return sum(entry.hole_values or 0 for entry in self.cases)

    @property
    def share_within_one(self) -> float:
        """Share of values that differ by at most one level."""
        return sum(entry.within_one or 0 for entry in self.cases) / max(self.values, 1)

    @property
    def psnr(self) -> float:
        """In dB."""
        return psnr(sum(entry.squared_error or 0.0 for entry in self.cases), self.values)

    @property
    def mean(self) -> float:
        """Signed mean difference, in levels."""
        return sum(entry.difference_sum or 0 for entry in self.cases) / max(self.values, 1)


def large_enough(metrics: Sequence[CaseMetrics]) -> list[Group]:
    """Groups of at least `ENOUGH` values: large cases by themselves, and the small ones together.

    Small ones that are not enough are joined by the smallest large case, so that no case goes without; if there is
    none, they make no group.
    """
    large = [entry for entry in metrics if (entry.hole_values or 0) >= ENOUGH]
    small = [entry for entry in metrics if 0 < (entry.hole_values or 0) < ENOUGH]
    groups = [Group((entry,), entry.case) for entry in large]
    if small and large and everything(small).values < ENOUGH:
        small.append(min(large, key=lambda entry: entry.hole_values or 0))
    together = everything(small)
    return [*groups, together] if together.values >= ENOUGH else groups


def everything(metrics: Sequence[CaseMetrics]) -> Group:
    """All cases as one group, named after the one that is most in error."""
    worst = max(metrics, key=lambda entry: entry.squared_error or 0.0, default=None)
    count = f"{len(metrics)} cases together, " if len(metrics) > 1 else ""
    return Group(tuple(metrics), f"{count}most in {worst.case}" if worst else "no case")

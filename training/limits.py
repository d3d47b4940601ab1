"""Fields of a configuration that know which values they take."""

import math
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from inpaintrt.runtime.errors import UsageError

LONGEST = 60
"""Characters of a found value that an error shows."""


class ConfigError(UsageError, ValueError):
    """A value of a configuration that cannot work.

    Args:
        key: where it stands, such as `stages[1].crop`.
        found: the value.
        expected: what it must be.
    """

    def __init__(self, key: str, found: Any, expected: str):
        shown = repr(found)
        shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."
        super().__init__(f"{key} is {shown}; expected {expected}")
        self.key, self.found, self.expected = key, found, expected

    def inside(self, part: str) -> "ConfigError":
        """The same for a key that lies in `part`."""
        return ConfigError(f"{part}.{self.key}", self.found, self.expected)


@dataclass(frozen=True)
class Limits:
    """Which numbers a field takes: from `least`, or only above `above`; up to `most`, or only below `below`."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def hold(self, value: float) -> bool:
        """Whether a number is finite and within."""
        return (
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        low = f"above {_shown(self.above)}" if self.above is not None else f"of at least {_shown(self.least)}"
        high = f" and below {_shown(self.below)}" if self.below is not None else ""
        high = f" and at most {_shown(self.most)}" if self.most is not None else high
        return f"a number {low}{high}"


def _shown(limit: float | None) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def number(default: Any = MISSING, **limits: float) -> Any:
    """A dataclass field for a number, or several, within `Limits`."""
    return field(default=default, metadata={"limits": Limits(**limits)})


class Checked:
    """Base of dataclasses whose `number` fields are checked when they are made."""

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            limits = each.metadata.get("limits")
            found = getattr(self, each.name)
            if limits is None or found is None:
                continue
            values = found if isinstance(found, tuple) else (found,)
            if not all(limits.hold(value) for value in values):
                raise ConfigError(each.name, found, str(limits))

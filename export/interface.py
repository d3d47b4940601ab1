"""What a network expects of its input and how its output is read.

A network is any `torch.nn.Module` with `forward(image, mask)`, or `forward(image, mask, sketch)` if a user can guide
it. Its `Interface` says the rest; known checkpoint families bring their own.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Interface:
    """How a network wants its image and mask, and which output is the filled image.

    Args:
        image_range: what black and white become, `(0, 1)` or `(-1, 1)`; not together with `mean` and `std`.
        mean, std: per channel, applied to an image in 0..1: `(image - mean) / std`.
        mask_polarity: `valid` if the network's mask is 1 = known, `hole` if it is 1 = fill.
        mask_channels: 1 or 3; with 3 the same plane is given three times.
        premask: whether the network wants the holes of the image already filled with `fill`.
        fill: value of premasked holes, in the network's own range.
        output_index: which output is the filled image, if the network returns several.
        output_range: range of that output, as `image_range`; None for the same as the input (mean and std too).
        size_multiple: height and width must be multiples of this.
        sketch: whether the network is given the user's lines, [N,1,H,W] with 1 = line, as a third argument `sketch`.

    Raises:
        ValueError: if a value is out of its range or two contradict each other.
    """

    image_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    mask_polarity: Literal["valid", "hole"] = "valid"
    mask_channels: int = 1
    premask: bool = True
    fill: float = 0.0
    output_index: int = 0
    output_range: tuple[float, float] | None = None
    size_multiple: int = 1
    sketch: bool = False

    def __post_init__(self) -> None:
        if self.mask_polarity not in ("valid", "hole"):
            raise ValueError(f"mask_polarity is 'valid' or 'hole', not {self.mask_polarity!r}")
        if self.mask_channels not in (1, 3):
            raise ValueError(f"mask_channels is 1 or 3, not {self.mask_channels!r}")
        for name in ("premask", "sketch"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is true or false, not {getattr(self, name)!r}")
        _check_numbers("fill", (self.fill,), 1)
        for name in ("image_range", "output_range"):
            limits = getattr(self, name)
            if limits is not None:
                _check_numbers(name, limits, 2)
                if not limits[0] < limits[1]:
                    raise ValueError(f"{name} is LOW,HIGH with LOW < HIGH, got {limits}")
        self._check_mean_and_std()
        for name, least in (("size_multiple", 1), ("output_index", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} is a whole number of at least {least}, got {value!r}")

    def _check_mean_and_std(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together: give both or neither")
        if self.mean is None or self.std is None:
            return
        if tuple(self.image_range) != (0.0, 1.0):
            raise ValueError("image_range and mean/std exclude each other")
        for name in ("mean", "std"):
            _check_numbers(name, getattr(self, name), 3)
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Offset and scale per channel: `network value = (image in 0..1 - offset) / scale`."""
        if self.mean is not None and self.std is not None:
            return self.mean, self.std
        return _affine(self.image_range)

    @property
    def denormalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Offset and scale per channel: `image in 0..1 = network value * scale + offset`."""
        return self.normalisation if self.output_range is None else _affine(self.output_range)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for checkpoints."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Interface":
        """The inverse of `to_dict`.

        Raises:
            ValueError: if a name is unknown or a value invalid.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown interface entries: {', '.join(sorted(unknown))}")
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**plain)


def _check_numbers(name: str, values: Any, count: int) -> None:
    numbers = isinstance(values, (tuple, list)) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )
    if not numbers or len(values) != count:
        raise ValueError(f"{name} is {count} finite number{'s' if count > 1 else ''}, got {values}")


def _affine(limits: tuple[float, float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    low, high = limits
    return (-low / (high - low),) * 3, (1 / (high - low),) * 3

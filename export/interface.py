"""What a network expects of its input and how its output is read.

A network is any `torch.nn.Module` with `forward(image, mask)`. Its `Interface` says the rest; known checkpoint families
bring their own.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Interface:
    """How a network wants its image and mask, and which output is the picture.

    Args:
        image_range: what black and white become, `(0, 1)` or `(-1, 1)`; not together with `mean` and `std`.
        mean, std: per channel, applied to an image in 0..1: `(image - mean) / std`.
        mask_polarity: `valid` if the network's mask is 1 = known, `hole` if it is 1 = fill.
        mask_channels: 1 or 3; with 3 the same plane is given three times.
        premask: whether the network wants the holes of the image already filled with `fill`.
        fill: value of premasked holes, in the network's own range.
        output_index: which output is the picture, if the network returns several.
        output_range: range of the picture, as `image_range`; None for the same as the input (mean and std too).
        size_multiple: height and width must be multiples of this.

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

    def __post_init__(self) -> None:
        if self.mask_polarity not in ("valid", "hole"):
            raise ValueError(f"mask_polarity is 'valid' or 'hole', not {self.mask_polarity!r}")
        if self.mask_channels not in (1, 3):
            raise ValueError(f"mask_channels is 1 or 3, not {self.mask_channels}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together: give both or neither")
        if self.mean is not None and self.image_range != (0.0, 1.0):
            raise ValueError("image_range and mean/std exclude each other")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) != 3:
                raise ValueError(f"{name} has one value for each of R, G and B, got {len(values)}")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        for name in ("image_range", "output_range"):
            limits = getattr(self, name)
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"{name} is LOW,HIGH with LOW < HIGH, got {limits}")
        if self.size_multiple < 1:
            raise ValueError(f"size_multiple is at least 1, got {self.size_multiple}")
        if self.output_index < 0:
            raise ValueError(f"output_index counts from 0, got {self.output_index}")

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Offset and scale per channel: `network value = (image in 0..1 - offset) / scale`."""
        if self.mean is not None and self.std is not None:
            return self.mean, self.std
        return _affine(self.image_range)

    @property
    def denormalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Offset and scale per channel: `picture in 0..1 = network value * scale + offset`."""
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


def _affine(limits: tuple[float, float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    low, high = limits
    return (-low / (high - low),) * 3, (1 / (high - low),) * 3

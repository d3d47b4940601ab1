"""What `bundle.json` says: the artifacts and the network's interface. `docs/bundle-format.md` lists the keys."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

SCHEMA_VERSION = 1
DOCUMENT = "bundle.json"
ENGINES = "engines"
REPORTS = "reports"
FIXED_MASK = "fixed_mask.png"

ArtifactKind = Literal["onnx", "engine", "mask", "plan"]
Precision = Literal["fp32", "fp16"]
Axis = TypeVar("Axis", int, str)


@dataclass(frozen=True)
class Artifact:
    """A file of the bundle.

    Args:
        path: relative to the bundle, with forward slashes.
        kind: `onnx`, `engine`, `plan` for the kernels of an engine, or `mask` for the image of a mask that never
            changes.
        precision: `fp32` or `fp16`; None for a mask.
        sha256: of the content, 64 hexadecimal digits.
        bytes: size of the file.
        backend, backend_version, target, key: of an engine: the library and version that built it, the GPU it was
            built for (such as `sm89`), and the hash of everything it depends on.
        details: what the stage that made it records, such as the share of FP16 work.
    """

    path: str
    kind: ArtifactKind
    precision: Precision | None
    sha256: str
    bytes: int
    backend: str | None = None
    backend_version: str | None = None
    target: str | None = None
    key: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """The sizes a network takes, each as (smallest, best, largest); all equal where the size is static."""

    batch: tuple[int, int, int]
    height: tuple[int, int, int]
    width: tuple[int, int, int]


@dataclass(frozen=True)
class DeployedInterface:
    """What the deployed network takes and gives.

    Args:
        io: `image` for uint8 images [N,H,W,3] and masks [N,H,W], non-zero = hole; `tensor` for float32 [N,3,H,W] and
            [N,1,H,W] in the network's own range and polarity.
        size_multiple: height and width must be multiples of this many pixels.
        profile: sizes.
        inputs, outputs: names of the graph's tensors.
        updated_mask_output: which output of the network, the image being 0, is the updated mask; None without one.
    """

    io: Literal["image", "tensor"]
    size_multiple: int
    profile: Profile
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    updated_mask_output: int | None = None

    def input_shapes(self, batch: Axis, height: Axis, width: Axis) -> dict[str, tuple[Axis | int, ...]]:
        """The shape of each input for so many images of this size in pixels; with names for numbers, of the axes."""
        plane: tuple[Axis | int, ...] = (batch, height, width) if self.io == "image" else (batch, 1, height, width)
        image = (batch, height, width, 3) if self.io == "image" else (batch, 3, height, width)
        shapes = {"image": image, "mask": plane, "sketch": plane}
        return {name: shapes[name] for name in self.inputs if name in shapes}


@dataclass(frozen=True)
class Document:
    """What a `bundle.json` says.

    Args:
        source: where the network came from.
        network: what it expects and how it was changed, as the exporter recorded it.
        interface: of the deployed network.
        artifacts: the files.
    """

    source: dict[str, Any]
    network: dict[str, Any]
    interface: DeployedInterface
    artifacts: tuple[Artifact, ...]


def describe_file(
    content: bytes, path: str, kind: ArtifactKind, precision: Precision | None = None, **entries: Any
) -> Artifact:
    """The `Artifact` entry for a file with this content."""
    return Artifact(path, kind, precision, hashlib.sha256(content).hexdigest(), len(content), **entries)

"""The known checkpoint families. This is the list to add a family to; it loads no PyTorch.

`load_checkpoint` tries the families in this order, `export-onnx --help` and the errors name them, and
`python -m inpaintrt.export.checkpoints.registry` prints them as a Markdown table.
"""

import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .family import Family


@dataclass(frozen=True)
class FamilyEntry:
    """One family.

    Args:
        name: how it is called in messages and in the bundle.
        project: whose checkpoints these are.
        architecture: the network that is made of them.
        module, class_name: where its `Family` is, below `inpaintrt.export.checkpoints`.
    """

    name: str
    project: str
    architecture: str
    module: str
    class_name: str


ENTRIES = (
    FamilyEntry("inpaintrt", "train-inpainter", "PConv U-Net or DeepFillv2", "own", "Own"),
    FamilyEntry("naoto0804", "pytorch-inpainting-with-partial-conv", "PConv U-Net", "naoto0804", "Naoto0804"),
    FamilyEntry("nipponjo", "deepfillv2-pytorch", "DeepFillv2", "nipponjo", "Nipponjo"),
    FamilyEntry("nipponjo-tf", "deepfillv2-pytorch, from TensorFlow", "DeepFillv2", "nipponjo", "NipponjoTensorFlow"),
    FamilyEntry("mmagic-deepfillv2", "MMagic (MMEditing)", "DeepFillv2", "mmagic", "MMagic"),
    FamilyEntry("lama", "lama, and big-lama.pt", "LaMa", "lama", "LaMaFamily"),
    FamilyEntry("aot-gan", "AOT-GAN-for-Inpainting", "AOT-GAN", "aot_gan", "AotGanFamily"),
)


def load_families() -> tuple["Family", ...]:
    """The families themselves, in order; this loads PyTorch."""
    return tuple(
        getattr(importlib.import_module(f"{__package__}.{entry.module}"), entry.class_name)() for entry in ENTRIES
    )


def families_in_words() -> str:
    """`inpaintrt (train-inpainter), naoto0804 (...), ...`, for help and errors."""
    return ", ".join(f"{entry.name} ({entry.project})" for entry in ENTRIES)


def families_as_table() -> str:
    """The families as a Markdown table."""
    rows = [f"| `{entry.name}` | {entry.project} | {entry.architecture} |" for entry in ENTRIES]
    return "\n".join(["| family | project | network |", "|---|---|---|", *rows])


if __name__ == "__main__":
    sys.stdout.write(families_as_table() + "\n")

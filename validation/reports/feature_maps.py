"""Seeing the gates: what gated layers let through, and the mask planes of partial convolution, as images.

Yu et al. (ICCV 2019, figure 4) show that gates learn where holes and objects are. The gates are found in the graph, as
sigmoids that multiply features, and mask planes as updated masks that do; so any network's can be shown.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inpaintrt.export.graph.analysis.mask_path import MaskPath, analyse_mask_path
from inpaintrt.export.graph.ir_tools import constant
from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BundleError, UsageError

from ..cases.batches import fixed_hole
from ..cases.images import ImageSource, find_images
from ..cases.masks import free_form_mask

TILE = 256
"""Height and width in pixels of each part of an image."""

CAPTION = 16
"""Height in pixels of the line above each part."""

CHANNELS = 4
"""How many channels of a gate are shown beside their mean: those that differ most from place to place."""


@dataclass(frozen=True)
class Shown:
    """A value of the graph to be shown: what kind it is, its place among its kind, and its name."""

    kind: str
    number: int
    value: str

    @property
    def name(self) -> str:
        """How it is called on the command line and in the file's name, such as `gate-07` or `mask-02`."""
        return f"{self.kind}-{self.number:02d}"


def write_gates(bundle: Bundle, patterns: Sequence[str], images: Path | None = None, seed: int = 0) -> list[Path]:
    """Write an image for each chosen gate and mask plane to `reports/gates/`.

    Each shows the input, the mask, the result, the mean over channels and the channels that differ most; white is 1.

    Args:
        bundle: exported with `--io image`.
        patterns: names such as `gate-07`, or patterns such as `gate-*`.
        images: an image or a folder, whose first image is used; a synthetic one if None.
        seed: of the mask and the synthetic image.

    Raises:
        UsageError: if nothing is called so, saying what there is.
        BundleError: if the bundle has no model to look into, or none that takes images.
    """
    model, chosen = choose_gates(bundle, patterns)
    image, hole = _subject(bundle, images, seed)
    values = _evaluate(model, chosen, image, hole)
    parts = [("input", np.where(hole[..., None], 128, image)), ("mask", hole * 255), ("result", values["composite"])]
    folder = bundle.path / bundles.REPORTS / "gates"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for shown in chosen:
        path = folder / f"{shown.name}.png"
        _figure([*parts, *_planes(shown, values[shown.value])]).save(path)
        written.append(path)
    return written


def choose_gates(bundle: Bundle, patterns: Sequence[str]) -> tuple[ir.Model, list[Shown]]:
    """The model to look into, and what of it is to be shown; errors as `write_gates`."""
    model = _open(bundle)
    there = find_shown(model)
    chosen = [shown for shown in there if any(fnmatch.fnmatchcase(shown.name, pattern) for pattern in patterns)]
    if not chosen:
        names = ", ".join(shown.name for shown in there) or "no gates and no mask planes"
        raise UsageError(f"--gates {' '.join(patterns)}: {bundle.path} has {names}")
    return model, chosen


def find_shown(model: ir.Model) -> list[Shown]:
    """The gates and the mask planes of a graph, in the order they are computed."""
    mask_path = analyse_mask_path(model)
    found: list[Shown] = []
    for node in model.graph:
        kind = _kind(node, mask_path)
        if kind is not None:
            number = 1 + sum(shown.kind == kind for shown in found)
            found.append(Shown(kind, number, str(node.outputs[0].name)))
    return found


def _kind(node: ir.Node, mask_path: MaskPath) -> str | None:
    value = node.outputs[0]
    if value.shape is None or len(value.shape) != 4 or node.domain:
        return None
    if node.op_type == "Sigmoid" and value in mask_path.image_dependent:
        users = [use.node for use in value.uses()]
        multiplies = any(user.op_type == "Mul" and _is_gated(user, value, mask_path) for user in users)
        return "gate" if multiplies else None
    if node.op_type == "Clip" and value in mask_path.mask_only and _is_window_sum(node.inputs[0]):
        return "mask"
    return None


def _is_gated(product: ir.Node, gate: ir.Value, mask_path: MaskPath) -> bool:
    """Whether a product is of a gate and other features; `x * sigmoid(x)` is an activation."""
    others = [value for value in product.inputs if value is not gate]
    source = gate.producer()
    return (
        len(others) == 1 and others[0] in mask_path.image_dependent and others[0] is not (source and source.inputs[0])
    )


def _is_window_sum(value: ir.Value | None) -> bool:
    node = value.producer() if value is not None else None
    return node is not None and node.op_type == "Conv" and constant(node.inputs[1]) is not None


def _open(bundle: Bundle) -> ir.Model:
    if bundle.interface.io != "image":
        raise BundleError(f"{bundle.path}: --gates needs a bundle exported with --io image")
    models = [artifact for artifact in bundle.artifacts if artifact.kind == "onnx"]
    if not models:
        raise BundleError(f"{bundle.path}: holds no ONNX model; export it again")
    best = min(models, key=lambda artifact: artifact.precision != "fp32")
    return ir.from_proto(onnx.load_from_string(bundle.file(best)))


def _subject(bundle: Bundle, images: Path | None, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    profile = bundle.interface.profile
    height, width = profile.height[1], profile.width[1]
    image = next(ImageSource(find_images(images), seed).images(height, width))
    fixed = fixed_hole(bundle)
    return image, free_form_mask(height, width, np.random.default_rng(seed)) if fixed is None else fixed


def _evaluate(
    model: ir.Model, chosen: Sequence[Shown], image: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """The composite and the chosen values of one image; a larger fixed batch is filled with copies of it."""
    names = {shown.value for shown in chosen}
    model.graph.outputs.extend(value for node in model.graph for value in node.outputs if value.name in names)
    session = open_session(ir.to_proto(model).SerializeToString(), "cpu")
    taken = session.get_inputs()
    batch = taken[0].shape[0]
    count = batch if isinstance(batch, int) else 1
    mask = np.stack([hole.astype(np.uint8)] * count)
    feed = {"image": np.stack([image] * count), "mask": mask, "sketch": np.zeros_like(mask)}
    given = session.get_outputs()
    results = session.run(None, {value.name: feed[value.name] for value in taken})
    return {value.name: result[0] for value, result in zip(given, results, strict=True)}


def _planes(shown: Shown, values: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    """Mean and most varying channels [H,W] of a value [C,H,W] in 0..1, with captions, as grey levels."""
    levels = 255 * values.astype(np.float32).clip(0, 1)
    if len(levels) == 1:
        return [(shown.name, levels[0])]
    varying = np.argsort(-levels.std(axis=(1, 2)))[:CHANNELS]
    return [(f"{shown.name} mean", levels.mean(axis=0)), *((f"channel {index}", levels[index]) for index in varying)]


def _figure(parts: Sequence[tuple[str, NDArray[Any]]]) -> Image.Image:
    """The parts side by side, each with its caption."""
    figure = Image.new("RGB", (TILE * len(parts), TILE + CAPTION), "white")
    draw = ImageDraw.Draw(figure)
    for index, (caption, values) in enumerate(parts):
        part = Image.fromarray(values.astype(np.uint8)).convert("RGB")
        scale = TILE / max(part.size)
        size = max(1, round(part.width * scale)), max(1, round(part.height * scale))
        shown = part.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
        figure.paste(shown, (TILE * index, CAPTION))
        draw.text((TILE * index + 4, 2), caption, fill="black")
    return figure

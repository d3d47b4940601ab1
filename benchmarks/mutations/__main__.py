"""Which check finds which mutation: `python -m benchmarks.mutations` writes the table of docs/validation.md.

Each mutation is made of a small bundle of both families (random weights, 32x32, batches of two) and validated, first
with `--quick`; what that does not find, with all cases. It takes about five minutes on two idle cores.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import nn

from benchmarks.networks.deepfill import trained_scale
from benchmarks.networks.partial_conv import randomise
from inpaintrt.engines.build import mark_of
from inpaintrt.export import export_onnx
from inpaintrt.export.networks import DeepFillV2, PConvUNet
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.runtime.console import command_line, say
from inpaintrt.validation import validate
from inpaintrt.validation.judging.findings import ValidationReport

from .catalogue import MUTATIONS
from .graph_edits import NotApplicableError, replace_file, rewrite
from .table import MISSED, NO_EFFECT, NOT_APPLICABLE, NOT_RUN, Table

SIZE = 32
"""Pixels of a side: small, and large enough for every mask of the corpus."""


def partial() -> nn.Module:
    """A small U-Net of partial convolutions, with weights of trained scale."""
    torch.manual_seed(0)
    return randomise(PConvUNet(widths=(8, 12, 16)), 0).eval()


def gated() -> nn.Module:
    """A small DeepFillv2, with weights of trained scale."""
    torch.manual_seed(0)
    return trained_scale(DeepFillV2(width=8))


FAMILIES: dict[str, Callable[[], nn.Module]] = {"partial convolution": partial, "gated convolution": gated}


def export(network: nn.Module, folder: Path, size: int = SIZE) -> Bundle:
    """A bundle with batches of two."""
    own = {"image_range": (-1.0, 1.0)} if isinstance(network, PConvUNet) else {}
    interface = network.interface(**own)  # type: ignore[operator]
    bundle: Bundle = export_onnx(network, folder, interface=interface, size=(size, size), batch=2)
    return bundle


def in_bundle(name: str) -> Callable[[Bundle, nn.Module, Path], None]:
    """The mutations that are no edit of a graph, by name."""

    def fp16_is_fp32(bundle: Bundle, _: nn.Module, __: Path) -> None:
        replace_file(bundle, "model.fp16.onnx", bundle.file(bundle.onnx("fp32")))

    def other_size(bundle: Bundle, network: nn.Module, folder: Path) -> None:
        other = export(network, folder, 2 * SIZE)
        for precision in ("fp32", "fp16"):
            replace_file(bundle, f"model.{precision}.onnx", other.file(other.onnx(precision)))

    def other_weights(bundle: Bundle, network: nn.Module, folder: Path) -> None:
        make = trained_scale if isinstance(network, DeepFillV2) else randomise
        other = export(make(type(network)(**network.arguments), 1).eval(), folder)  # type: ignore[operator,arg-type]
        for precision in ("fp32", "fp16"):
            replace_file(bundle, f"model.{precision}.onnx", other.file(other.onnx(precision)))

    def stale_engine(bundle: Bundle, _: nn.Module, __: Path) -> None:
        add_engine(bundle, "0" * 64, b"an engine of a model that was replaced")

    def foreign_engine(bundle: Bundle, _: nn.Module, __: Path) -> None:
        add_engine(bundle, bundle.onnx("fp16").sha256, mark_of("1" * 64).encode())

    def truncated(bundle: Bundle, _: nn.Module, __: Path) -> None:
        replace_file(bundle, "model.fp16.onnx", bundle.file(bundle.onnx("fp16"))[:-1000])

    return {
        "FP16 model that is FP32": fp16_is_fp32,
        "models of another size": other_size,
        "models of other weights": other_weights,
        "engine of an older model (stale)": stale_engine,
        "engine file of another model": foreign_engine,
        "model file cut off": truncated,
    }[name]


OF_BUNDLES = (
    "FP16 model that is FP32", "models of another size", "models of other weights", "engine of an older model (stale)",
    "engine file of another model", "model file cut off",
)  # fmt: skip


def add_engine(bundle: Bundle, built_from: str, content: bytes) -> None:
    """An engine that no GPU here can run: only its record and its mark can be looked at."""
    path = bundle.path / "engines" / "tensorrt-10.12.0-sm89-fp16.engine"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    document = bundle.path / "bundle.json"
    values = json.loads(document.read_text())
    values["artifacts"].append({
        "path": f"engines/{path.name}", "kind": "engine", "precision": "fp16", "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(), "backend": "tensorrt", "backend_version": "10.12.0",
        "target": "sm89", "key": "0" * 64, "details": {"onnx_sha256": built_from, "marked": True},
    })  # fmt: skip
    document.write_text(json.dumps(values))


def mutate(name: str, bundle: Bundle, network: nn.Module, folder: Path) -> Bundle:
    """Make a mutation in place.

    Raises:
        NotApplicableError: if the family has nothing of the kind.
    """
    mutation = next((each for each in MUTATIONS if each.name == name), None)
    if mutation is None:
        in_bundle(name)(bundle, network, folder)
    else:
        for precision in mutation.precisions:
            rewrite(bundle, precision, mutation.change)
    return Bundle.open(bundle.path)


def found_by(report: ValidationReport) -> str:
    """The checks that failed, in few words; of the first candidate of each precision that failed."""
    words: dict[str, str] = {}
    for candidate in report.candidates:
        failed = [check.name for check in candidate.checks if check.result == "fail"]
        if candidate.result == "fail":
            found = [*(hint.split(" (")[0] for hint in candidate.hints), *failed]
            words.setdefault(
                candidate.precision, "; ".join(found[:2]) or candidate.reason.split(" (in ")[0].replace("|", "/")[:80]
            )
    if not words:
        return ""
    same = len(set(words.values())) == 1
    return next(iter(words.values())) if same else "; ".join(f"{key}: {value}" for key, value in words.items())


def try_mutation(name: str, original: Bundle, network: nn.Module, folder: Path) -> str:
    """The cell of the table."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original.path, folder / "bundle")
    try:
        bundle = mutate(name, Bundle.open(folder / "bundle"), network, folder / "other")
    except NotApplicableError as error:
        return f"{NOT_APPLICABLE}: {error}"
    for quick in (True, False):
        words = found_by(validate(bundle.path, network=network, quick=quick))
        if words:
            return words if quick else f"only with all cases: {words}"
    return MISSED if changes_a_result(original, bundle) else NO_EFFECT


def changes_a_result(original: Bundle, altered: Bundle) -> bool:
    """Whether a model of the altered bundle gives another result than the original for any of some random inputs."""
    rng = np.random.default_rng(0)
    for precision in ("fp32", "fp16"):
        sessions = [open_session(each.file(each.onnx(precision)), "cpu", 1) for each in (original, altered)]
        for share in (0.1, 0.5, 0.9, 1.0):
            feed = {
                "image": rng.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8),
                "mask": (rng.random((2, SIZE, SIZE)) < share).astype(np.uint8),
            }
            if any(
                (one != other).any() for one, other in zip(*(each.run(None, feed) for each in sessions), strict=True)
            ):
                return True
    return False


def main(
    family: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    only: Annotated[str | None, typer.Option(help="Only mutations whose name has these words.")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Only those of which no result is stored.")] = False,
) -> None:
    """Make every mutation of both families, and write the table into docs/validation.md.

    Results are stored in benchmarks/results/mutations.json as they come; a run of some only leaves those of the others.
    """
    every = [*(mutation.name for mutation in MUTATIONS), *OF_BUNDLES]
    chosen = [name for name in every if only is None or only in name]
    table = Table.read(tuple(FAMILIES), every)
    with tempfile.TemporaryDirectory() as temporary:
        for each in [each for each in FAMILIES if family in (None, each)]:
            network = FAMILIES[each]()
            original = export(network, Path(temporary) / each)
            good = validate(original.path, network=network, quick=True)
            say(f"{each}, unaltered: {'pass' if good.passed else 'FAIL: ' + found_by(good)}")
            for name in chosen:
                if missing and table.cell(each, name) != NOT_RUN:
                    continue
                table.add(each, name, try_mutation(name, original, network, Path(temporary) / "mutated"))
                say(f"{each}, {name}: {table.cell(each, name)}")
    table.write()
    say(table.summary())
    raise typer.Exit(1 if any(MISSED in cells.values() for cells in table.cells.values()) else 0)


if __name__ == "__main__":
    command_line(main)()

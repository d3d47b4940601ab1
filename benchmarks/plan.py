"""Kernel plans of the plain exports and of ours, without a GPU: how many kernels, and what goes through memory.

::

    python -m benchmarks.plan [--network unet,deepfill,lama] [--size 512,256,1024] [--batch 1,8] [--target sm89,sm86]

The U-Net has channel-wide masks in the layout of naoto0804's checkpoints, with seven levels as there; DeepFillv2 is in
the layout of nipponjo's; LaMa is the published generator. Weights are random: plans do not depend on them. All take and
give the network's own tensors (`--io tensor`). "Plain" is `torch.onnx.export`; in plain FP16 every node is FP16, as
`network.half()` has it. Each entry is written as soon as it is there, into `benchmarks/results/plan.json` and the table
of `docs/benchmarks.md`, and is not made again without `--again`: a run that was stopped goes on where it was. A build
that fails is an entry with its reason. The first of each list comes first. All of it takes hours, nearly all for the
exports, and large images in large batches take tens of gigabytes.
"""

import json
import tempfile
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import typer
from torch import nn

from benchmarks.export import RESULTS, make_network
from inpaintrt.engines.build import build_engine, select_library
from inpaintrt.engines.estimate import NOTE, estimated_seconds
from inpaintrt.engines.gpus import gpus_of
from inpaintrt.engines.kernel_plan import make_plan
from inpaintrt.engines.store import input_axes
from inpaintrt.export import export_onnx
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import InpaintrtError

BACKEND = "tensorrt-rtx"
LEVELS = 7
"""Of the U-Net, as in naoto0804's checkpoints."""

NETWORKS, SIZES, BATCHES, TARGETS = ("unet", "deepfill", "lama"), (512, 256, 1024), (1, 8), ("sm89", "sm86", "sm120")
"""What all of it is, in the order of a run."""

FORMS = ("plain FP32", "plain FP16", "ours FP16")
NAMES = ("network", "size", "batch", "target", "form")

PATH = RESULTS / "plan.json"
TABLE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- made by python -m benchmarks.plan -->", "<!-- end of benchmarks.plan -->"


def all_fp16(content: bytes) -> bytes:
    """An FP32 model with every tensor, constant and cast in FP16."""
    model = onnx.load_from_string(content)
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    for tensor in model.graph.initializer:
        _to_fp16(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _to_fp16(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == single:
                attribute.i = half
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = half
    del model.graph.value_info[:]
    return bytes(model.SerializeToString())


def _to_fp16(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == onnx.TensorProto.FLOAT:
        with np.errstate(over="ignore"):
            array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def exports(network: str, size: int, batch: int, folder: Path) -> dict[str, tuple[Bundle, bytes]]:
    """The three models of a network, each with the bundle that tells its interface."""
    module: nn.Module
    if network == "lama":
        from inpaintrt.export.networks.lama import LaMa

        module = lama = LaMa()
        interface = lama.interface()
    else:
        module, interface = make_network(network, LEVELS)
    options: dict[str, Any] = {"interface": interface, "size": (size, size), "batch": batch, "io": "tensor"}
    plain = export_onnx(module, folder / "plain", optimize=False, precisions=("fp32",), **options)
    ours = export_onnx(module, folder / "ours", precisions=("fp16",), **options)
    content = plain.file(plain.onnx("fp32"))
    return {
        "plain FP32": (plain, content),
        "plain FP16": (plain, all_fp16(content)),
        "ours FP16": (ours, ours.file(ours.onnx("fp16"))),
    }


def measure(bundle: Bundle, model: bytes, target: str) -> dict[str, Any]:
    """Totals of a model's plan, and estimates for the GPUs of a target; or the reason why there are none."""
    version = str(select_library(BACKEND).__version__)
    profile, axes = bundle.interface.profile, input_axes(bundle)
    try:
        built = build_engine(BACKEND, model, target, profile, axes, lambda _: None)
        plan = make_plan(built, model, profile, axes, BACKEND, version, target)
    except InpaintrtError as error:
        return {"reason": str(error)}
    estimates = {gpu.name: estimated_seconds(plan, gpu) for gpu in gpus_of(target)}
    return {"totals": plan.totals(), "estimated_seconds": estimates, "note": NOTE, "version": version}


def table(entries: list[dict[str, Any]]) -> str:
    """The entries as Markdown, each row a network at a size for a target, and how many rows are missing."""
    lines = [
        "| network | size | batch | target | plain FP32 | plain FP16 | ours FP16 |",
        "|---|---|---|---|---|---|---|",
    ]
    found = {tuple(entry[name] for name in NAMES): entry for entry in entries}
    missing = 0
    for place in product(NETWORKS, BATCHES, sorted(SIZES), TARGETS):
        network, batch, size, target = place
        row = [found.get((network, size, batch, target, form)) for form in FORMS]
        if any(row):
            lines.append(f"| {network} | {size} | {batch} | {target} | {' | '.join(map(_cell, row))} |")
        else:
            missing += 1
    if missing:
        lines += ["", f"{missing} rows of other networks, sizes and batches have not been run yet."]
    return "\n".join(lines)


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "not run"
    if "reason" in entry:
        return f"no plan: {entry['reason'][:60]}"
    return f"{entry['totals']['kernels']} kernels, {entry['totals']['bytes'] / 1e6:,.0f} MB"


def store(entries: list[dict[str, Any]]) -> None:
    """The JSON, and the table between its two marks in the document."""
    PATH.write_text(json.dumps(entries, indent=1) + "\n")
    text = TABLE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    TABLE.write_text(f"{before}{BEGIN}\n\n{table(entries)}\n\n{END}{after}")


def main(
    network: Annotated[str, typer.Option(help="unet, deepfill, lama.")] = ",".join(NETWORKS),
    size: Annotated[str, typer.Option(help="Heights and widths in pixels.")] = ",".join(map(str, SIZES)),
    batch: Annotated[str, typer.Option(help="Images at once.")] = ",".join(map(str, BATCHES)),
    target: Annotated[str, typer.Option(help="Compute capabilities.")] = ",".join(TARGETS),
    again: Annotated[bool, typer.Option("--again", help="Make entries that are there already again.")] = False,
) -> None:
    """Build each form and keep the totals of its plan."""
    found = json.loads(PATH.read_text()) if PATH.exists() else []
    known = {tuple(entry[name] for name in NAMES): entry for entry in found}
    for each in product(batch.split(","), size.split(","), network.split(",")):
        images, pixels, name = int(each[0]), int(each[1]), each[2]
        keys = [(name, pixels, images, gpu, form) for gpu in target.split(",") for form in FORMS]
        missing = [key for key in keys if again or key not in known]
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            models = exports(name, pixels, images, Path(folder))
            for key in missing:
                known[key] = dict(zip(NAMES, key, strict=True)) | measure(*models[key[-1]], key[-2])
                print(*key, _cell(known[key]), flush=True)  # noqa: T201 - for people to read
                store(list(known.values()))


if __name__ == "__main__":
    typer.run(main)

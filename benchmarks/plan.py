"""Kernel plans of the plain exports and of ours, without a GPU: how many kernels, and what goes through memory.

::

    python -m benchmarks.plan [--network unet,deepfill,lama] [--size 256,512,1024] [--batch 1,8] [--target sm86,sm89]

The U-Net has channel-wide masks in the layout of naoto0804's checkpoints, with seven levels as there; DeepFillv2 is in
the layout of nipponjo's; LaMa is the published generator. Weights are random: plans do not depend on them. All take and
give the network's own tensors (`--io tensor`). "Plain" is `torch.onnx.export`; in plain FP16 every node is FP16, as
`network.half()` has it. Each entry is written as soon as it is there, into `benchmarks/results/plan.json` and the table
of `docs/benchmarks.md`; a build that fails is an entry with its reason. All of it takes hours.
"""

import json
import tempfile
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
    """The entries as Markdown, each row a network at a size for a target."""
    lines = [
        "| network | size | batch | target | plain FP32 | plain FP16 | ours FP16 |",
        "|---|---|---|---|---|---|---|",
    ]
    places = {(e["network"], e["size"], e["batch"], e["target"]) for e in entries}
    for place in sorted(places, key=lambda place: (place[0], place[3], place[1], place[2])):
        found = {e["form"]: e for e in entries if (e["network"], e["size"], e["batch"], e["target"]) == place}
        cells = [_cell(found.get(form)) for form in ("plain FP32", "plain FP16", "ours FP16")]
        lines.append("| " + " | ".join([*map(str, place), *cells]) + " |")
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
    network: Annotated[str, typer.Option(help="unet, deepfill, lama.")] = "unet,deepfill,lama",
    size: Annotated[str, typer.Option(help="Heights and widths in pixels.")] = "256,512,1024",
    batch: Annotated[str, typer.Option(help="Images at once.")] = "1,8",
    target: Annotated[str, typer.Option(help="Compute capabilities.")] = "sm86,sm89,sm120",
) -> None:
    """Build each form and keep the totals of its plan."""
    names = ("network", "size", "batch", "target", "form")
    found = json.loads(PATH.read_text()) if PATH.exists() else []
    known = {tuple(entry[name] for name in names): entry for entry in found}
    for name in network.split(","):
        for pixels in map(int, size.split(",")):
            for images in map(int, batch.split(",")):
                with tempfile.TemporaryDirectory() as folder:
                    models = exports(name, pixels, images, Path(folder))
                    for gpu in target.split(","):
                        for form, (bundle, model) in models.items():
                            key = (name, pixels, images, gpu, form)
                            known[key] = dict(zip(names, key, strict=True)) | measure(bundle, model, gpu)
                            print(*key, _cell(known[key]), flush=True)  # noqa: T201 - for people to read
                            store(list(known.values()))


if __name__ == "__main__":
    typer.run(main)

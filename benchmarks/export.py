"""The plain export against ours: latency on ONNX Runtime's CPU, file size, and error to PyTorch, in one run.

::

    python -m benchmarks.export [--network unet|deepfill] [--size 256,512] [--layers 8] [--rounds 15]   (make bench)

The network is the U-Net of the paper with channel-wide masks, in the layout of naoto0804's checkpoints, or DeepFillv2
with attention by convolutions whose weights are patches, in the layout of nipponjo's; both have random weights of
trained scale. Candidates take turns in every round, so that a noisy machine is noisy for all of them; what
counts are medians and their ratios. ONNX Runtime runs on the CPU, and through CUDA where there is a GPU. What the
export itself takes is measured as well, on top of PyTorch's trace. Results go to `benchmarks/results/`.
"""

import json
import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime
import torch
import typer
from torch import nn

from benchmarks.networks.deepfill import Port, port
from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.export.models import make_models
from inpaintrt.export.networks.pconv_unet import WIDTHS
from inpaintrt.export.options import ExportOptions
from inpaintrt.export.source import from_module, weights_sha256
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.backends.gpu import local_target
from inpaintrt.runtime.backends.onnx_runtime import check_device, open_session
from inpaintrt.runtime.bundle import Bundle, Profile
from inpaintrt.runtime.errors import BackendError
from inpaintrt.validation.cases.masks import HOLE_RATIO_BUCKETS, irregular_mask
from inpaintrt.validation.judging.metrics import relative_l2
from inpaintrt.validation.latency.timing import time_in_turns

RESULTS = Path(__file__).parent / "results"


def make_network(name: str, layers: int) -> tuple[nn.Module, Interface]:
    """The network as its authors wrote it, and how it is called."""
    if name == "deepfill":
        return port(), Port.interface
    network = dividing_trained_scale(WIDTHS[:layers])
    return network, Interface(mask_channels=3, premask=False, size_multiple=2**network.depth)


def export_all(network: nn.Module, interface: Interface, folder: Path, size: int) -> dict[str, Bundle]:
    """The candidates' bundles, `--io tensor`; the plain one has no FP16 graph."""
    options: dict[str, Any] = {"size": (size, size), "io": "tensor"}
    torch.save(network.state_dict(), folder / "network.pth")
    loaded = load_checkpoint(folder / "network.pth")
    return {
        "plain torch.onnx.export": export_onnx(
            network, folder / "plain", interface=interface, optimize=False, precisions=("fp32",), **options
        ),
        "export-onnx --network": export_onnx(network, folder / "network", interface=interface, **options),
        "export-onnx CHECKPOINT": export_onnx(
            loaded.network, folder / "checkpoint", interface=loaded.interface, **options
        ),
    }


def measure(name: str, size: int, layers: int, rounds: int, threads: int) -> dict[str, Any]:
    """Everything about one network and size, ready for JSON."""
    torch.set_num_threads(threads)
    network, interface = make_network(name, layers)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 3, size, size)).astype(np.float32)
    mask = (~irregular_mask(size, size, HOLE_RATIO_BUCKETS[1], rng))[None, None].astype(np.float32)
    if interface.mask_polarity == "hole":
        mask = 1 - mask
    channels = interface.mask_channels
    tensors = torch.from_numpy(image), torch.from_numpy(mask).expand(-1, channels, -1, -1).contiguous()
    with torch.no_grad():
        expected = network(*tensors)[0].numpy()

    def run_torch(module: Callable[..., Any]) -> None:
        with torch.no_grad():
            module(*tensors)

    compiled = torch.compile(network)
    candidates: dict[str, Callable[[], Any]] = {
        "PyTorch eager": lambda: run_torch(network),
        "torch.compile": lambda: run_torch(compiled),
    }
    rows: dict[str, dict[str, Any]] = {title: {} for title in candidates}
    with tempfile.TemporaryDirectory() as folder:
        for title, bundle in export_all(network, interface, Path(folder), size).items():
            model = bundle.onnx("fp32")
            for device in devices():
                session = open_session(bundle.file(model), device, threads)
                feed = {"image": image, "mask": mask}
                error = relative_l2(session.run(["output"], feed)[0], expected)
                place = title if device == "cpu" else f"{title}, CUDA"
                candidates[place] = partial(session.run, ["output"], feed)
                rows[place] = {"bytes": model.bytes, "sha256": model.sha256, "relative_l2": error}
            if "fp16" in bundle.precisions():
                rows[title]["fp16"] = bundle.onnx("fp16").details
        for title, seconds in time_in_turns(candidates, rounds).items():
            rows[title] |= {"median_seconds": median(seconds), "fastest_seconds": min(seconds)}
    plain = rows["plain torch.onnx.export"]
    for row in rows.values():
        row["speed_up_over_plain"] = plain["median_seconds"] / row["median_seconds"]
    return {
        "export": measure_export(network, interface, size),
        "network": name, "size": size, "layers": layers, "rounds": rounds, "threads": threads,
        "weights_sha256": weights_sha256(network),
        "machine": platform.machine(), "python": platform.python_version(),
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}, "candidates": rows,
    }  # fmt: skip


def devices() -> list[str]:
    """Where ONNX Runtime can run here."""
    try:
        check_device("cuda")
        local_target()
    except BackendError:
        return ["cpu"]
    return ["cpu", "cuda"]


def measure_export(network: nn.Module, interface: Interface, size: int) -> dict[str, float]:
    """Seconds of PyTorch's trace, and of an export of both precisions on top of it."""
    profile = Profile((1, 1, 1), (size,) * 3, (size,) * 3)
    tensor_network = TensorNetwork(network, interface).eval()
    start = time.perf_counter()
    trace(tensor_network, profile)
    traced = time.perf_counter()
    make_models(from_module(network, interface), ExportOptions(profile, "tensor"))
    done = time.perf_counter()
    return {"trace_seconds": traced - start, "seconds_on_top_of_the_trace": done - traced - (traced - start)}


def main(
    network: Annotated[Literal["unet", "deepfill"], typer.Option(help="Which network.")] = "unet",
    size: Annotated[str, typer.Option(help="Heights and widths in pixels, multiples of 2^layers.")] = "256,512",
    layers: Annotated[int, typer.Option(help="Depth of the U-Net, 1 to 8.", min=1, max=8)] = 8,
    rounds: Annotated[int, typer.Option(help="Timed rounds.", min=1)] = 15,
    threads: Annotated[int, typer.Option(help="CPU threads of every candidate.", min=1)] = 2,
) -> None:
    """Measure, print a table for each size, and write the JSON."""
    for number in size.split(","):
        report(network, int(number), layers, measure(network, int(number), layers, rounds, threads))


def report(network: str, size: int, layers: int, result: dict[str, Any]) -> None:
    """Write one size's JSON and print its table."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"export-cpu-{size}-{layers if network == 'unet' else network}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\n| {size}x{size} | median | speed-up | file | relative L2 |\n|---|---|---|---|---|")  # noqa: T201
    for title, row in result["candidates"].items():
        size_text = f"{row['bytes'] / 2**20:.0f} MiB" if "bytes" in row else ""
        error = f"{row['relative_l2']:.1e}" if "relative_l2" in row else ""
        cells = (f"{1000 * row['median_seconds']:.0f} ms", f"{row['speed_up_over_plain']:.2f}", size_text, error)
        print(f"| {title} | {' | '.join(cells)} |")  # noqa: T201
    export = result["export"]
    print(  # noqa: T201
        f"Export: {export['seconds_on_top_of_the_trace']:.1f} s on top of {export['trace_seconds']:.1f} s of tracing."
    )


if __name__ == "__main__":
    typer.run(main)

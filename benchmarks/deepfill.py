"""DeepFillv2 at its real width: how close its graphs are to PyTorch, and what a large image takes.

::

    python -m benchmarks.deepfill

Random weights of trained scale, ONNX Runtime on the CPU. Results go to `benchmarks/results/deepfill-cpu.json`. It takes
about ten minutes of one core, and 8 GiB of memory.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.export import RESULTS
from benchmarks.networks.deepfill import random_images, trained_scale
from inpaintrt.export import export_onnx
from inpaintrt.export.networks import DeepFillV2
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.backends.onnx_runtime import open_session
from inpaintrt.validation import validate
from inpaintrt.validation.judging.metrics import relative_l2

LARGE = 1024


def make_network() -> DeepFillV2:
    """The published width."""
    network = DeepFillV2()
    trained_scale(network)
    return network


def errors(network: DeepFillV2, bundle: Bundle, cases: list[tuple[int, int]]) -> dict[str, float]:
    """Relative L2 of the FP32 graph to PyTorch for each size and batch; each image has a mask of its own."""
    session = open_session(bundle.file(bundle.onnx("fp32")), "cpu")
    found = {}
    for size, count in cases:
        image, mask = random_images(size, size, count)
        with torch.no_grad():
            expected = network(image, mask)[0].numpy()
        output = session.run(["output"], {"image": image.numpy(), "mask": mask.numpy()})[0]
        found[f"{size}x{size}, batch {count}"] = relative_l2(output, expected)
    return found


def half_precision(network: DeepFillV2, folder: Path) -> dict[str, Any]:
    """The FP16 graph on the mask corpus, every value rounded."""
    bundle = export_onnx(network, folder, interface=network.interface(), size=(256, 256))
    report = validate(bundle.path, network=network)
    strict = next(candidate for candidate in report.candidates if "every value rounded" in candidate.name)
    return {
        "share_of_multiply_adds": bundle.onnx("fp16").details["fp16_share_of_multiply_adds"],
        "result": strict.result,
        "checks": {check.name: {"value": check.value, "reason": check.reason} for check in strict.checks},
    }


def fill_large(folder: str) -> None:
    """Fill one large image, in a process of its own, and print its peak memory in GiB."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (LARGE, LARGE, 3), dtype=np.uint8)
    hole = np.zeros((LARGE, LARGE), dtype=np.uint8)
    hole[300:600, 200:700] = 1
    with Inpainter(folder, "cpu") as inpaint:
        filled = inpaint(image, hole, window="whole")
    assert (filled[hole == 0] == image[hole == 0]).all()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)  # noqa: T201


def main() -> None:
    """Measure, print, and write the JSON."""
    network = make_network()
    options: dict[str, Any] = {"interface": network.interface(), "precisions": ("fp32",), "io": "tensor"}
    result: dict[str, Any] = {"relative_l2": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size, count in ((256, 1), (256, 3), (512, 1), (512, 3)):
            bundle = export_onnx(network, folder / f"{size}-{count}", size=(size, size), batch=count, **options)
            for case, error in errors(network, bundle, [(size, count)]).items():
                result["relative_l2"][f"static {case}"] = error
        result["fp16"] = half_precision(network, folder / "half")
        bundle = export_onnx(network, folder / "dynamic", dynamic=(256, 256, 512), batch=(1, 1, 3), **options)
        for case, error in errors(network, bundle, [(256, 1), (256, 3), (512, 1), (512, 3)]).items():
            result["relative_l2"][f"dynamic {case}"] = error
        export_onnx(network, folder / "large", size=(LARGE, LARGE), **{**options, "io": "image"})
        process = subprocess.run(
            [sys.executable, "-c", "import sys; from benchmarks.deepfill import fill_large; fill_large(sys.argv[1])",
             str(folder / "large")],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        result[f"peak_memory_gib_at_{LARGE}"] = float(process.stdout)
    text = json.dumps(result, indent=2)
    (RESULTS / "deepfill-cpu.json").write_text(text + "\n")
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()

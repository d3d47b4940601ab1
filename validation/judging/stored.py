"""What a validation writes into a bundle's `reports/`: names, plain values, and the writing in one step."""

import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from inpaintrt.runtime import bundle as bundles
from inpaintrt.runtime.bundle import Bundle

PARITY = "parity.json"
LATENCY = "latency.json"
PAGES = ("report.html", "report.md")
PACKAGES = ("inpaintrt", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "numpy", "tensorrt", "tensorrt-cu13",
            "tensorrt-rtx-cu13", "cuda-core")  # fmt: skip


def environment() -> dict[str, Any]:
    """Python, machine and versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system(),
            "packages": versions}  # fmt: skip


def plain_json(value: Any) -> Any:
    """JSON has no infinity: PSNR without any error becomes the string "inf"."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def to_json(values: Any) -> bytes:
    """Plain values as the content of a file."""
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()


def store_all(bundle: Bundle, files: Mapping[str, bytes]) -> None:
    """Write files of the bundle's `reports/`: all are on the disk before the first takes its name."""
    folder = bundle.path / bundles.REPORTS
    with ExitStack() as stack:
        staged = {name: stack.enter_context(bundles.stage(folder, name, content)) for name, content in files.items()}
        for name, path in staged.items():
            path.replace(folder / name)

"""What a validation writes into a bundle's `reports/`: names, plain values, and the writing in one step."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
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


def store(bundle: Bundle, name: str, content: str | bytes) -> Path:
    """Write a file of the bundle's `reports/` in one step; its path."""
    folder = bundle.path / bundles.REPORTS
    with bundles.stage(folder, name, content.encode() if isinstance(content, str) else content) as staged:
        staged.replace(folder / name)
    return folder / name


def store_json(bundle: Bundle, name: str, values: Any) -> Path:
    """As `store`, of plain values."""
    return store(bundle, name, json.dumps(values, indent=1, allow_nan=False) + "\n")

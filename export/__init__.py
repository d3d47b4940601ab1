"""PyTorch to ONNX: `export_onnx` and the `Interface` of a network."""

from typing import Any

__all__ = ["Interface", "export_onnx"]


def __getattr__(name: str) -> Any:
    # Torch loads only where it is used, so that `export-onnx --help` is instant.
    if name == "export_onnx":
        from .exporter import export_onnx

        return export_onnx
    if name == "Interface":
        from .interface import Interface

        return Interface
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""ONNX to TensorRT engines: `build_engines`."""

from typing import Any

__all__ = ["build_engines"]


def __getattr__(name: str) -> Any:
    # Polygraphy loads only where it is used, so that `build-engines --help` is instant.
    if name == "build_engines":
        from .store import build_engines

        return build_engines
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

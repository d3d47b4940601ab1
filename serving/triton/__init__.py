"""A model repository for Triton Inference Server, and the code that the server's Python backend runs."""

from importlib import import_module
from typing import Any

HOMES = {"ExportedModel": "repository", "TritonOptions": "repository", "export_repository": "repository"}

__all__ = ["ExportedModel", "TritonOptions", "export_repository"]


def __getattr__(name: str) -> Any:
    # What they need loads only where it is used, so that --help is instant.
    if name in HOMES:
        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

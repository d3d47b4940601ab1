"""Images by the million with Ray Data. Needs ray; ``pip install -e '.[ray]'`` from a checkout."""

from importlib import import_module
from typing import Any

HOMES = {"BatchOptions": "cluster", "BatchResult": "job", "fill_dataset": "dataset", "run_batch": "job"}

__all__ = ["BatchOptions", "BatchResult", "fill_dataset", "run_batch"]


def __getattr__(name: str) -> Any:
    # What they need loads only where it is used, so that --help is instant.
    if name in HOMES:
        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

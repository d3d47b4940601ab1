"""A web page to paint holes on and see them filled. Needs gradio; ``pip install -e '.[page]'`` from a checkout."""

from importlib import import_module
from typing import Any

HOMES = {"Limits": "limits", "make_page": "blocks"}

__all__ = ["Limits", "make_page"]


def __getattr__(name: str) -> Any:
    # What they need loads only where it is used, so that --help is instant.
    if name in HOMES:
        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

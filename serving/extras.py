"""Modules that only an extra brings."""

from importlib import import_module
from typing import Any

from ..runtime.errors import BackendError


def load_extra(extra: str, *modules: str) -> Any:
    """Import modules of an extra, which takes seconds; the first of them.

    Raises:
        BackendError: saying how to install it.
    """
    try:
        first, *_ = [import_module(module) for module in modules]
    except ImportError as error:
        raise BackendError(f"this needs {modules[0]} ({error}); from a checkout: pip install -e '.[{extra}]'") from None
    return first

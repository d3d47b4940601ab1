"""Is it right: `validate` compares every artifact of a bundle with PyTorch on the mask corpus."""

from typing import Any

__all__ = ["validate"]


def __getattr__(name: str) -> Any:
    # Torch loads only where it is used, so that `validate-engines --help` is instant.
    if name == "validate":
        from .run import validate

        return validate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Checkpoints of known families: recognised by their keys, hyper-parameters inferred from shapes, loaded strictly.

One module per family, listed in `registry.py`. `load_checkpoint` is the only entrance; a family that recognises a file
either loads all of it or raises.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .family import LoadedNetwork
    from .loading import load_checkpoint
    from .own import save_checkpoint

__all__ = ["LoadedNetwork", "load_checkpoint", "save_checkpoint"]


def __getattr__(name: str) -> Any:
    # The registry is read for --help, which must not load PyTorch.
    if name in __all__:
        from . import family, loading, own

        return next(getattr(module, name) for module in (family, loading, own) if hasattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

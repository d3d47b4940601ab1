"""Checkpoints of known families: recognised by their keys, hyper-parameters inferred from shapes, loaded strictly.

One module per family. `load_checkpoint` is the only entrance; a family that recognises a file either loads all of it
or raises.
"""

from .family import LoadedNetwork
from .loading import load_checkpoint
from .own import save_checkpoint

__all__ = ["LoadedNetwork", "load_checkpoint", "save_checkpoint"]

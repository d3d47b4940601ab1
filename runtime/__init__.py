"""Run a bundle. Needs numpy and one backend, never torch."""

from .bundle import Bundle
from .errors import InpaintrtError
from .inpainter import Inpainter

__all__ = ["Bundle", "Inpainter", "InpaintrtError"]

"""A model repository for Triton Inference Server, and the code that the server's Python backend runs."""

from .repository import ExportedModel, TritonOptions, export_repository

__all__ = ["ExportedModel", "TritonOptions", "export_repository"]

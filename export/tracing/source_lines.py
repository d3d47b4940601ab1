"""Which line of the user's own source an error comes from."""

import traceback
from pathlib import Path

import torch

OTHERS = (str(Path(torch.__file__).parent), str(Path(__file__).parent.parent))
"""Folders whose code is not the user's."""


def source_line(error: BaseException | None) -> str:
    """` (FILE:LINE: CODE)` of the innermost line of the user's code that led to `error`; empty if there is none."""
    while error is not None:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if not is_foreign(frame.filename):
                return f" ({frame.filename}:{frame.lineno}: {frame.line})"
        error = error.__cause__ or error.__context__
    return ""


def is_foreign(filename: str) -> bool:
    """Whether a file is PyTorch's, Python's or ours, and not the user's."""
    return filename.startswith((*OTHERS, "<")) or "/lib/python" in filename

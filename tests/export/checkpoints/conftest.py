"""Checkpoints as their authors' code writes them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.networks.partial_conv import dividing_trained_scale


def save(content: Any, path: Path) -> Path:
    """Write a checkpoint and return where it is."""
    torch.save(content, path)
    return path


@pytest.fixture
def theirs() -> dict[str, torch.Tensor]:
    """Weights of the U-Net in the layout of naoto0804's code."""
    return dict(dividing_trained_scale().state_dict())

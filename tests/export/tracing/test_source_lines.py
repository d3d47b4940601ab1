"""Errors name the line of the user's code."""

import re
from pathlib import Path

import pytest

from inpaintrt.export import export_onnx
from inpaintrt.export.source import from_factory
from inpaintrt.runtime.errors import NetworkError


def test_what_cannot_run_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def forward(self, image, mask):\n"
        "        return image * torch.cuda.FloatTensor([1.0])\n"
        "class Deciding(torch.nn.Module):\n"
        "    def forward(self, image, mask):\n"
        "        if mask.sum() > 5:\n"
        "            return image\n"
        "        return image * mask\n"
    )
    for name, line in (("Network", 4), ("Deciding", 7)):
        network = from_factory(f"{tmp_path / 'network.py'}:{name}", {}).network
        with pytest.raises(NetworkError, match=re.escape(f"{tmp_path / 'network.py'}:{line}: ")):
            export_onnx(network, tmp_path / "bundle", size=(32, 32))

"""Options that do not fit are refused before any work."""

from pathlib import Path
from typing import Any

import pytest

from inpaintrt.export import export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime.errors import UsageError


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": (60, 64)}, "height 60 is not a multiple of 8, which this network needs; use 56 or 64"),
        ({"size": (64, 4)}, "width 4 is not a multiple of 8, which this network needs; use 8"),
        ({"dynamic": (64, 32, 96)}, "height 64,32,96: expected 1 <= smallest <= best <= largest"),
        ({"batch": 0}, "batch 0,0,0"),
        ({"io": "Image"}, "io is image or tensor, not 'Image'"),
        ({"precisions": ("int8",)}, "--precision is fp32, fp16"),
        ({"optimize": False}, "the FP16 graph needs the passes"),
    ],
)
def test_options_that_do_not_fit_are_refused(network: PConvUNet, tmp_path: Path, options: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        export_onnx(network, tmp_path / "b", interface=network.interface(), **options)
    assert not (tmp_path / "b").exists()

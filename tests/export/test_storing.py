"""Models become a bundle, and other people's files stay."""

from pathlib import Path

import pytest

from inpaintrt.export import export_onnx
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime.errors import BundleError


def test_a_directory_with_other_files_is_left_alone(network: PConvUNet, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="holds other files and is not a bundle"):
        export_onnx(network, tmp_path, interface=network.interface(), size=(16, 16))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_bundle(network: PConvUNet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="is a file; a bundle is a directory"):
        export_onnx(network, tmp_path / "file", interface=network.interface(), size=(16, 16))

"""Every example runs as its first line says. The one in C++ is run by tests/runtime/test_cpp.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintrt.runtime import Bundle, Inpainter
from tests.conftest import random_image

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: object) -> str:
    """Run an example in a process of its own; what it prints."""
    program = [sys.executable, EXAMPLES / name] if name.endswith(".py") else [EXAMPLES / name]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in (*program, *arguments)],
        capture_output=True, text=True, check=False, env=os.environ | {"PATH": path, "SIZE": "64"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def save_pair(folder: Path, height: int, width: int) -> tuple[Path, Path]:
    """A random image and mask as PNG files."""
    image, hole = random_image(height, width)
    Image.fromarray(image).save(folder / "image.png")
    Image.fromarray(hole).save(folder / "mask.png")
    return folder / "image.png", folder / "mask.png"


@pytest.mark.slow
def test_own_network_is_exported_and_passes(tmp_path: Path) -> None:
    assert run("own_network.py", tmp_path / "bundle").startswith("passed")
    assert set(Bundle.open(tmp_path / "bundle").precisions()) == {"fp32", "fp16"}


STAND_IN = """
import torch

class Generator(torch.nn.Module):
    def __init__(self, resolution):
        super().__init__()
        self.mix = torch.nn.Conv2d(4, 3, 3, padding=1)
        self.register_buffer("noise", torch.zeros(resolution, resolution))

    def forward(self, x):
        return torch.tanh(self.mix(x) + self.noise)
"""
"""What MI-GAN's code has in the place where the example looks for it, with another network inside."""


def test_mi_gan_is_exported_from_the_code_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "code/lib/model_zoo").mkdir(parents=True)
    (tmp_path / "code/lib/model_zoo/migan_inference.py").write_text(STAND_IN)
    assert "model.fp16.onnx" in run("mi_gan.py", tmp_path / "code", tmp_path / "bundle", "", 64)
    with Inpainter(tmp_path / "bundle") as inpaint:
        image, hole = random_image(64, 64)
        filled = inpaint(image, hole)
    assert (filled[~hole] == image[~hole]).all()
    assert (filled[hole] != image[hole]).any()


def test_python_runtime_fills_what_the_library_fills(shared_bundle: Bundle, tmp_path: Path) -> None:
    image, mask = save_pair(tmp_path, 64, 64)
    output = tmp_path / "filled.png"
    assert "onnxruntime" in run("python_runtime.py", shared_bundle.path, image, mask, output)
    with Inpainter(shared_bundle.path) as inpaint:
        expected = inpaint(np.array(Image.open(image)), np.array(Image.open(mask)))
    assert (np.array(Image.open(output)) == expected).all()


@pytest.mark.slow
def test_fixed_mask_keeps_what_is_known(checkpoint: Path, tmp_path: Path) -> None:
    image, mask = save_pair(tmp_path, 40, 48)
    run("fixed_mask.py", checkpoint, mask, image, tmp_path / "filled.png")
    filled, original, hole = (np.array(Image.open(path)) for path in (tmp_path / "filled.png", image, mask))
    assert (filled[~hole] == original[~hole]).all()
    assert (filled[hole] != original[hole]).any()


@pytest.mark.slow
def test_ci_gate_passes_and_compares_with_its_baseline(checkpoint: Path, tmp_path: Path) -> None:
    run("ci_gate.sh", checkpoint, tmp_path / "first")
    baseline = tmp_path / "first" / "parity.json"
    assert json.loads(baseline.read_text())["verdict"] == "pass"
    run("ci_gate.sh", checkpoint, tmp_path / "second", baseline)
    assert (tmp_path / "second" / "junit.xml").is_file()

"""What all commands share: quick help, a version, one line for a bundle that is none; and the whole pipeline."""

import json
import subprocess
import sys
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import COMMANDS, refused, run
from tests.conftest import random_image


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command: str) -> None:
    program = (
        f"import sys, {COMMANDS[command]} as module\n"
        "sys.argv = ['x', '--help']\n"
        "try: module.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'onnx', 'onnx_ir', 'onnxruntime', 'tensorrt_rtx', 'polygraphy', 'PIL', 'gradio', 'ray'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout


def test_the_whole_pipeline(checkpoint: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    exported = run("export-onnx", checkpoint, "-o", bundle, "--size", "64x48", "--json")
    assert [entry["path"] for entry in json.loads(exported.stdout)["artifacts"]] == [
        "model.fp32.onnx",
        "model.fp16.onnx",
    ]
    assert "FP16 does" in exported.stderr
    validated = run("validate-engines", bundle, "--json")
    assert json.loads(validated.stdout)["verdict"] == "pass"
    image, hole = random_image(60, 45)
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    filled = run(
        "inpaint", bundle, "--image", tmp_path / "image.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "f.png",
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert json.loads(filled.stdout)["backend"] == "onnxruntime-cpu fp32"
    result = np.asarray(Image.open(tmp_path / "f.png"))
    assert (result[~hole] == image[~hole]).all()
    assert (result[hole] != image[hole]).any()


def test_bundles_that_are_none(tmp_path: Path) -> None:
    for command in ("build-engines", "validate-engines"):
        assert "no such bundle; export-onnx makes one" in refused(command, tmp_path / "none")
        assert "holds no bundle.json" in refused(command, tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_its_version(command: str) -> None:
    assert run(command, "--version").stdout == f"inpaintrt {package_version('inpaintrt')}\n"

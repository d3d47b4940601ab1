"""The seed of every test, and the networks and bundles that many tests share; small, so that the suite is quick."""

import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.networks.partial_conv import randomise
from inpaintrt.export import export_onnx
from inpaintrt.export.checkpoints import save_checkpoint
from inpaintrt.export.networks import PConvUNet
from inpaintrt.runtime import Bundle
from tests.quick_exports import prepare_exports_once

torch.set_num_threads(1)
prepare_exports_once()

WIDTHS = (8, 12, 16)


def seed_everything(name: str) -> None:
    """Seed what draws random numbers without a generator of its own; the seed depends only on `name`."""
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


# A test and a fixture find the same random state whatever ran before them, on any worker and in any order.
@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    seed_everything(fixturedef.argname)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    seed_everything(item.nodeid)


def make_network(seed: int = 0) -> PConvUNet:
    """A small `PConvUNet` with random weights, size multiple 8."""
    network = PConvUNet(widths=WIDTHS)
    randomise(network, seed)
    return network


@pytest.fixture(scope="session")
def network() -> PConvUNet:
    return make_network()


@pytest.fixture(scope="session")
def checkpoint(network: PConvUNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "small.ckpt"
    save_checkpoint(path, network, network.interface(image_range=(-1.0, 1.0)))
    return path


@pytest.fixture(scope="session")
def shared_bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Static 64x64, `--io image`, both precisions, with a checkpoint behind it. Not to be changed."""
    return export_checkpoint(checkpoint, tmp_path_factory.mktemp("bundle") / "static")


@pytest.fixture
def bundle(shared_bundle: Bundle, checkpoint: Path, tmp_path: Path) -> Bundle:
    """A copy of `shared_bundle` that a test may spoil; its source still names the checkpoint."""
    return copy_bundle(shared_bundle, tmp_path / "copy", checkpoint)


@pytest.fixture(scope="session")
def dynamic_bundle(network: PConvUNet, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """32 to 96 pixels, batches of 1 to 3."""
    return export_onnx(
        network, tmp_path_factory.mktemp("bundle") / "dynamic", interface=network.interface(image_range=(-1.0, 1.0)),
        dynamic=(32, 64, 96), batch=(1, 2, 3),
    )  # fmt: skip


def export_checkpoint(checkpoint: Path, output: Path, size: int = 64) -> Bundle:
    """As `export-onnx CHECKPOINT` does."""
    from inpaintrt.export.exporter import export_source
    from inpaintrt.export.options import ExportOptions
    from inpaintrt.export.source import from_checkpoint
    from inpaintrt.runtime.bundle import Profile

    profile = Profile((1, 1, 1), (size,) * 3, (size,) * 3)
    return export_source(from_checkpoint(checkpoint), output, ExportOptions(profile))[0]


def copy_bundle(bundle: Bundle, target: Path, checkpoint: Path) -> Bundle:
    """A copy elsewhere whose recorded checkpoint path fits its new place."""
    import json
    import os
    import shutil

    shutil.copytree(bundle.path, target)
    document = target / "bundle.json"
    values = json.loads(document.read_text())
    values["source"]["path"] = os.path.relpath(checkpoint, target)
    document.write_text(json.dumps(values))
    return Bundle.open(target)


def run_and_kill(program: str, arguments: list[str], seconds: float) -> None:
    """Run a Python program in a process of its own, and kill it after so many seconds if it still runs."""
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def random_image(height: int, width: int, seed: int = 0, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """A noise image uint8 [H,W,3] and a mask bool [H,W]."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8), rng.random((height, width)) < share

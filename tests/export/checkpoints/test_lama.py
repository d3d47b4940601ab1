"""LaMa's checkpoints: both layouts, exact against a network of their numbering, and never a line of their code run."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from benchmarks.networks.lama import Original, Whole
from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.runtime.errors import CheckpointError


class Callback:
    """A class of the training, which a checkpoint of Lightning names."""


@pytest.fixture(scope="module")
def original() -> Original:
    return Original(width=8, levels=2, blocks=2)


@pytest.fixture(scope="module")
def sample() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, 20, 28, generator=generator), (torch.rand(1, 1, 20, 28, generator=generator) > 0.5).float()


def save_training(original: Original, path: Path) -> Path:
    weights = {**original.state_dict(), "discriminator.model0.0.weight": torch.zeros(2, 2)}
    content = {"state_dict": weights, "pytorch-lightning_version": "1.2.9", "callbacks": {Callback: {"best": 1.0}}}
    torch.save(content, path)
    return path


def save_archive(original: Original, path: Path, sample: tuple[torch.Tensor, torch.Tensor]) -> Path:
    with torch.no_grad():
        torch.jit.trace(Whole(original), sample, check_trace=False).save(str(path))
    return path


@pytest.mark.parametrize("layout", ["training", "archive"])
def test_both_layouts_give_what_the_original_gives(
    original: Original, sample: tuple[torch.Tensor, torch.Tensor], layout: str, tmp_path: Path
) -> None:
    path = tmp_path / "lama.pt"
    path = save_training(original, path) if layout == "training" else save_archive(original, path, sample)
    loaded = load_checkpoint(path)
    assert loaded.family == "lama"
    assert loaded.arguments == {"width": 8, "levels": 2, "blocks": 2, "global_channels": 24}
    assert loaded.interface == original.interface
    with torch.no_grad():
        expected, found = original(*sample), loaded.network(*sample)
    error = torch.linalg.vector_norm(found - expected) / torch.linalg.vector_norm(expected)
    assert error < 1e-6  # the same operations


def test_the_code_of_an_archive_is_not_run(
    original: Original, sample: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    """An archive whose code is no code loads all the same."""
    path = save_archive(original, tmp_path / "whole.pt", sample)
    spoilt = tmp_path / "spoilt.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(spoilt, "w") as target:
        for name in source.namelist():
            target.writestr(name, b"this is no code" if "/code/" in name else source.read(name))
    with pytest.raises(RuntimeError):
        torch.jit.load(str(spoilt))
    assert load_checkpoint(spoilt).family == "lama"


class Harmful:
    """Unpickling it as anybody does makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_what_a_pickle_would_run_is_not_run(original: Original, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    content = {
        "state_dict": original.state_dict(), "pytorch-lightning_version": "1.2.9", "callbacks": Harmful(victim),
    }  # fmt: skip
    torch.save(content, tmp_path / "a.ckpt")
    assert load_checkpoint(tmp_path / "a.ckpt").family == "lama"
    assert not victim.exists()
    pickle.loads(pickle.dumps(Harmful(victim)))
    assert victim.exists()  # so the test would have seen it


def test_layers_that_are_missing_or_too_many_are_named(original: Original, tmp_path: Path) -> None:
    weights = original.state_dict()
    del weights["generator.model.4.conv2.ffc.convg2g.fu.conv_layer.weight"]
    torch.save({"state_dict": weights}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=r"missing model\.4\.conv2\.ffc\.convg2g\.fu\.conv_layer\.weight"):
        load_checkpoint(tmp_path / "a.ckpt")
    weights = {**original.state_dict(), "generator.model.4.conv1.ffc.convg2g.lfu.bn.weight": torch.zeros(3)}
    torch.save({"state_dict": weights}, tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match=r"left over model\.4\.conv1\.ffc\.convg2g\.lfu\.bn\.weight"):
        load_checkpoint(tmp_path / "b.ckpt")

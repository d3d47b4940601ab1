"""`export-onnx` as a user meets it: networks of one's own, and one line for each error."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.runtime import Bundle
from tests.commands import FOREIGN, program, refused, run
from tests.conftest import run_and_kill


@pytest.mark.slow
def test_a_network_of_ones_own(tmp_path: Path) -> None:
    factory = f"{FOREIGN}:dividing_trained_scale"
    options = (
        "--mask-channels",
        3,
        "--size-multiple",
        8,
        "--size",
        "32x32",
        "--mean",
        "0.5,0.5,0.5",
        "--std",
        "0.2,0.2,0.2",
    )
    run("export-onnx", "--network", factory, "--network-args", '{"widths": [6, 8]}', *options, "-o", tmp_path / "b")
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.network["mean"] == [0.5, 0.5, 0.5]
    assert bundle.source["arguments"] == {"widths": [6, 8]}
    run("validate-engines", tmp_path / "b", "--network", factory)
    assert "code that a bundle names is not run" in refused("validate-engines", tmp_path / "b")


def test_a_network_with_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    torch.save({"state_dict": dividing_trained_scale().state_dict()}, tmp_path / "w.pth")
    options = (
        "--mask-channels",
        3,
        "--size-multiple",
        8,
        "--size",
        "32x32",
        "-o",
        tmp_path / "b",
        "--precision",
        "fp32",
    )
    run("export-onnx", tmp_path / "w.pth", "--network", f"{FOREIGN}:ChannelWideUNet", *options)
    other = refused("export-onnx", tmp_path / "w.pth", "--network", f"{FOREIGN}:NoMaskPath", *options)
    assert "does not fit the network" in other


def test_bad_checkpoints(tmp_path: Path) -> None:
    out = ("-o", tmp_path / "b")
    assert "no such file" in refused("export-onnx", tmp_path / "none.pth", *out)
    (tmp_path / "text.pth").write_text("hello")
    assert "is not a checkpoint" in refused("export-onnx", tmp_path / "text.pth", *out)
    (tmp_path / "garbage.pth").write_bytes(np.random.default_rng(0).bytes(5000))
    assert "is not a checkpoint" in refused("export-onnx", tmp_path / "garbage.pth", *out)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": os.system}))
    assert "unpickling those can run any code" in refused("export-onnx", tmp_path / "evil.pth", *out)
    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "unknown.pth")
    assert "no known checkpoint family" in refused("export-onnx", tmp_path / "unknown.pth", *out)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "nothing to export: give a CHECKPOINT, or --network"),
        (("x.pth", "--surprise"), "No such option: --surprise"),
        (("x.pth", "--mask-channels", "many"), "--mask-channels"),
        (("x.pth", "--io", "sound"), "io is image or tensor, not 'sound'"),
        (("--network", "no/such.py:make"), "no/such.py: no such file"),
        (("--network", "no.such.module:make"), "cannot import no.such.module"),
        (("--network", "json"), "expected FILE.py:FACTORY"),
        (("--network", "json:nothing"), "json has no callable 'nothing'"),
        (("--network", "json:dumps"), "json:dumps failed: TypeError"),
        (("--network", "builtins:dict"), "returned a dict, expected a torch.nn.Module"),
        (("--network", "json:loads", "--network-args", "{"), "--network-args is not JSON"),
        (("--network", "json:loads", "--network-args", "[]"), "must be a JSON object"),
        (("--network", "json:loads", "--network-args", '{"a": NaN}'), "NaN is not a JSON number"),
        (("--network-args", "{}", "x.pth"), "--network-args needs --network"),
        (("x.pth", "--size", "512by512"), "--size 512by512: expected HEIGHTxWIDTH"),
        (("x.pth", "--size", "64", "--dynamic", "1,2,3"), "exclude each other"),
        (("x.pth", "--dynamic", "1,2"), "expected MIN,OPT,MAX"),
        (("x.pth", "--batch", "1,2"), "--batch 1,2: expected N or MIN,OPT,MAX"),
        (("x.pth", "--batch", "many"), "--batch many: expected numbers"),
        (("x.pth", "--mean", "0.5"), "--mean 0.5: expected 3 numbers"),
    ],
)
def test_bad_options_of_export(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    assert reason in refused("export-onnx", *arguments, "-o", tmp_path / "b")


def test_sizes_that_are_no_multiple(checkpoint: Path, tmp_path: Path) -> None:
    assert "height 100 is not a multiple of 8, which this network needs; use 96 or 104" in refused(
        "export-onnx", checkpoint, "-o", tmp_path / "b", "--size", "100x64"
    )
    assert "mean and std belong together" in refused("export-onnx", checkpoint, "-o", tmp_path / "b", "--mean", "0,0,0")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc to stand for a read-only disk")
def test_a_directory_that_cannot_be_written(checkpoint: Path) -> None:
    assert "/proc/inpaintrt" in refused("export-onnx", checkpoint, "-o", "/proc/inpaintrt", "--size", "32x32")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits on file sizes are POSIX")
def test_a_full_disk_leaves_the_old_bundle(bundle: Bundle, checkpoint: Path) -> None:
    import resource

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    line = refused("export-onnx", checkpoint, "-o", bundle.path, "--size", "32x32", preexec_fn=small_files)
    assert "File too large" in line
    kept = Bundle.open(bundle.path)
    assert kept == bundle
    for artifact in kept.artifacts:
        kept.file(artifact)
    assert not list(bundle.path.rglob(".partial-*"))


@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0, 4.0])
def test_a_killed_export_leaves_the_old_bundle_or_the_new(bundle: Bundle, checkpoint: Path, seconds: float) -> None:
    arguments = [str(checkpoint), "-o", str(bundle.path), "--size", "32x32"]
    run_and_kill(program("export-onnx"), arguments, seconds)
    kept = Bundle.open(bundle.path)
    assert kept.interface.profile.height[1] in (32, 64)
    for artifact in kept.artifacts:
        kept.file(artifact)

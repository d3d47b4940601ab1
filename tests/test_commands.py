"""The commands as a user meets them: exit codes, one line for each error, and quick help."""

import json
import os
import pickle
import subprocess
import sys
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.networks.partial_conv import dividing_trained_scale
from inpaintrt.runtime import Bundle
from tests.conftest import random_picture, run_and_kill

COMMANDS = {
    "export-onnx": "inpaintrt.export.command",
    "build-engines": "inpaintrt.engines.command",
    "validate-engines": "inpaintrt.validation.command",
    "inpaint": "inpaintrt.runtime.command",
    "train-inpainter": "inpaintrt.training.command",
}
FOREIGN = Path(__file__).parent.parent / "benchmarks" / "networks" / "partial_conv.py"


def run(command: str, *arguments: object, code: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command as installed, and check its exit code."""
    program = f"import sys; sys.argv[0] = {command!r}; from {COMMANDS[command]} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )  # type: ignore[call-overload]
    assert done.returncode == code, done.stderr + done.stdout
    return done


def refused(command: str, *arguments: object, **options: object) -> str:
    """The one line of a command that could not run."""
    done = run(command, *arguments, code=2, **options)
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: ")
    assert done.stderr.count("error") == 1, done.stderr
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr
    return last


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command: str) -> None:
    program = (
        f"import sys, {COMMANDS[command]} as module\n"
        "sys.argv = ['x', '--help']\n"
        "try: module.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'onnx', 'onnx_ir', 'onnxruntime', 'tensorrt_rtx', 'polygraphy', 'PIL', 'lightning'}\n"
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
    image, hole = random_picture(60, 45)
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    filled = run(
        "inpaint", bundle, "--image", tmp_path / "photo.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "f.png",
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert json.loads(filled.stdout)["backend"] == "onnxruntime-cpu fp32"
    result = np.asarray(Image.open(tmp_path / "f.png"))
    assert (result[~hole] == image[~hole]).all()
    assert (result[hole] != image[hole]).any()


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


def test_a_bad_verdict_is_exit_code_1(bundle: Bundle) -> None:
    from tests.validation.alterations import rewrite, scale_a_weight

    rewrite(bundle, "fp16", scale_a_weight(1.05))
    done = run("validate-engines", bundle.path, code=1)
    assert "FAIL     onnx fp16, every value rounded: " in done.stderr
    assert "verdict: FAIL" in done.stderr


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
        (("--network", "json:loads", "--network-args", "{"), "--network-args is no JSON"),
        (("--network", "json:loads", "--network-args", "[]"), "must be a JSON object"),
        (("--network", "json:loads", "--network-args", '{"a": NaN}'), "NaN is no JSON number"),
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
    assert "height 100 is no multiple of 8, which this network needs; use 96 or 104" in refused(
        "export-onnx", checkpoint, "-o", tmp_path / "b", "--size", "100x64"
    )
    assert "mean and std belong together" in refused("export-onnx", checkpoint, "-o", tmp_path / "b", "--mean", "0,0,0")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """photo.png 20x20, mask.png of that size, small.png 10x10, text.png that is none, and an empty folder."""
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    Image.new("L", (20, 20), 255).save(tmp_path / "mask.png")
    Image.new("L", (10, 10)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("image", "mask", "output", "reason"),
    [
        ("none.png", "mask.png", "out.png", "none.png: no such file or folder"),
        ("photo.png", "none.png", "out.png", "none.png: no such file or folder"),
        ("text.png", "mask.png", "out.png", "is no image"),
        ("photo.png", "text.png", "out.png", "is no image"),
        ("photo.png", "small.png", "out.png", "is 10x10, but"),
        ("photo.png", "mask.png", "out.gif", "cannot write an image with suffix '.gif'"),
        ("photo.png", "mask.png", "photo.png", "would replace an input"),
        ("photo.png", "mask.png", "no/such/folder/out.png", "does not exist"),
        ("photo.png", "empty", "out.png", "is a folder, but"),
        ("empty", "mask.png", "out", "holds no images"),
    ],
)
def test_bad_pictures(shared_bundle: Bundle, pictures: Path, image: str, mask: str, output: str, reason: str) -> None:
    arguments = ("--image", pictures / image, "--mask", pictures / mask, "-o", pictures / output)
    assert reason in refused("inpaint", shared_bundle.path, *arguments)


def test_folders(shared_bundle: Bundle, tmp_path: Path) -> None:
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        image, hole = random_picture(30, 40, ord(name))
        Image.fromarray(image).save(tmp_path / "photos" / f"{name}.jpg")
        Image.fromarray(hole).save(tmp_path / "masks" / f"{name}.png")
    arguments = ("inpaint", shared_bundle.path, "--image", tmp_path / "photos", "--mask", tmp_path / "masks")
    run(*arguments, "-o", tmp_path / "out", "--device", "cpu")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    assert "would replace" not in run(*arguments, "-o", tmp_path / "out", "--device", "cpu").stderr
    # One that cannot be filled does not keep the others from it.
    (tmp_path / "photos" / "a.jpg").write_text("no picture")
    (tmp_path / "out" / "b.png").unlink()
    done = run(*arguments, "-o", tmp_path / "out", "--device", "cpu", "--json", code=1)
    assert "a.jpg: is no image of a known format" in done.stderr
    assert done.stderr.endswith("1 of 2 images could not be filled\n")
    found = json.loads(done.stdout)
    assert [Path(each["image"]).name for each in found["pictures"]] == ["b.jpg"]
    assert [Path(each["image"]).name for each in found["failed"]] == ["a.jpg"]
    assert (tmp_path / "out" / "b.png").exists()
    (tmp_path / "masks" / "b.png").unlink()
    assert "holds no mask for b.jpg" in refused(*arguments, "-o", tmp_path / "out")
    Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "a.png")
    assert "several images are called a" in refused(*arguments, "-o", tmp_path / "out")


def test_bundles_that_are_none(tmp_path: Path) -> None:
    for command in ("build-engines", "validate-engines"):
        assert "no such bundle; export-onnx makes one" in refused(command, tmp_path / "none")
        assert "holds no bundle.json" in refused(command, tmp_path)


def test_a_byte_changed(bundle: Bundle) -> None:
    path = bundle.path / "model.fp32.onnx"
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    assert "was altered or is damaged" in refused("validate-engines", bundle.path)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc to stand for a read-only disk")
def test_a_directory_that_cannot_be_written(checkpoint: Path) -> None:
    assert "/proc/inpaintrt" in refused("export-onnx", checkpoint, "-o", "/proc/inpaintrt", "--size", "32x32")


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
    program = f"from {COMMANDS['export-onnx']} import main; main()"
    arguments = [str(checkpoint), "-o", str(bundle.path), "--size", "32x32"]
    run_and_kill(program, arguments, seconds)
    kept = Bundle.open(bundle.path)
    assert kept.interface.profile.height[1] in (32, 64)
    for artifact in kept.artifacts:
        kept.file(artifact)


def test_device_cuda_where_there_is_none_says_why(shared_bundle: Bundle, pictures: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine runs CUDA")
    arguments = ("--image", pictures / "photo.png", "--mask", pictures / "mask.png", "-o", pictures / "out.png")
    line = refused("inpaint", shared_bundle.path, *arguments, "--device", "cuda")
    assert "no backend can run it with device cuda" in line
    assert "no CUDAExecutionProvider" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_its_version(command: str) -> None:
    assert run(command, "--version").stdout == f"inpaintrt {package_version('inpaintrt')}\n"

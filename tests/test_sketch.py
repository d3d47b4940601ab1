"""`--sketch`: lines that a user draws guide the network within the holes, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from PIL import Image

from benchmarks.networks.deepfill import trained_scale
from inpaintrt.engines import build_engines
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.networks import DeepFillV2
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.bundle import Profile
from inpaintrt.runtime.errors import BundleError, ImageError, NetworkError
from inpaintrt.validation import validate
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.job import make_plan
from tests.commands import refused, run
from tests.conftest import random_image
from tests.engines.test_build import rtx
from tests.guided import Guided

INTERFACE = Interface(sketch=True, size_multiple=8)


def scene(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image, one hole in its middle, and lines of which a part is in the hole."""
    image, line = random_image(height, width, seed, share=0.1)
    hole = np.zeros((height, width), dtype=np.bool_)
    hole[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return image, hole, line


@pytest.fixture(scope="module")
def deepfill() -> DeepFillV2:
    network = DeepFillV2(8)
    trained_scale(network)
    return network


@pytest.fixture(scope="module")
def bundle(deepfill: DeepFillV2, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """DeepFillv2, static 64x64, both precisions."""
    interface = replace(deepfill.interface(), sketch=True)
    return export_onnx(deepfill, tmp_path_factory.mktemp("sketch") / "static", interface=interface, size=(64, 64))


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small network, 32 to 96 pixels, batches of 1 to 3."""
    folder = tmp_path_factory.mktemp("sketch") / "dynamic"
    return export_onnx(Guided(), folder, interface=INTERFACE, dynamic=(32, 64, 96), batch=(1, 2, 3))


@pytest.mark.slow
def test_lines_change_the_image_within_the_hole_only(bundle: Bundle) -> None:
    image, hole, line = scene(64, 64)
    assert bundle.interface.inputs == ("image", "mask", "sketch")
    assert bundle.network["sketch"] is True
    with Inpainter(bundle.path, device="cpu") as inpaint:
        without, guided = inpaint(image, hole), inpaint(image, hole, sketch=line)
        assert (guided[~hole] == image[~hole]).all()
        assert (guided[hole] != without[hole]).any()
        assert (inpaint(image, hole, sketch=np.zeros_like(line)) == without).all()
        assert (inpaint(image, hole, sketch=line & ~hole) == without).all()
        assert (inpaint(image, hole, sketch=line.astype(np.uint8) * 255) == guided).all()


def test_batches_and_padding(dynamic: Bundle) -> None:
    images, holes, lines = (np.stack(part) for part in zip(*(scene(51, 77, seed) for seed in range(4)), strict=True))
    holes[2] = False
    pads = (0, 0), (0, 56 - 51), (0, 80 - 77)
    network = ImageNetwork(TensorNetwork(Guided(), INTERFACE))
    padded = [
        torch.from_numpy(np.pad(images, (*pads, (0, 0)))),
        torch.from_numpy(np.pad(holes, pads, constant_values=True).astype(np.uint8)),
        torch.from_numpy(np.pad(lines, pads).astype(np.uint8)),
    ]
    with torch.no_grad():
        expected = network(*padded).numpy()[:, :51, :77]
    with Inpainter(dynamic.path, device="cpu") as inpaint:
        found = inpaint(images, holes, sketch=lines)
        assert (inpaint(images[0], holes[0], sketch=lines[0]) == found[0]).all()
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found[~holes] == images[~holes]).all()


def test_windows(dynamic: Bundle) -> None:
    image, hole, line = scene(130, 205)
    only = np.zeros_like(line)
    only[90, 140] = True  # in the hole, far from the first window
    with Inpainter(dynamic.path, device="cpu") as inpaint:
        without, guided, dotted = (inpaint(image, hole, sketch=lines) for lines in (None, line, only))
    assert (guided[~hole] == image[~hole]).all()
    assert (guided[hole] != without[hole]).any()
    rows, columns = np.nonzero((dotted != without).any(axis=2))
    assert len(rows)
    assert np.hypot(rows - 90, columns - 140).min() <= 3


@pytest.mark.parametrize(
    "sizes", [{"size": (48, 64), "batch": 3}, {"dynamic": (32, 64, 96), "batch": (1, 2, 3)}], ids=["static", "dynamic"]
)
def test_equals_pytorch(sizes: dict[str, object], tmp_path: Path) -> None:
    network = Guided()
    bundle = export_onnx(network, tmp_path, interface=INTERFACE, io="tensor", precisions=("fp32",), **sizes)  # type: ignore[arg-type]
    assert bundle.interface.inputs == ("image", "mask", "sketch")
    assert bundle.interface.updated_mask_output == 2  # mask * sketch is none
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 3, 48, 64, generator=generator)
    mask, sketch = ((torch.rand(3, 1, 48, 64, generator=generator) > share).float() for share in (0.3, 0.9))
    with torch.no_grad():
        expected = network(image, mask, sketch)
    session = onnxruntime.InferenceSession(bundle.file(bundle.onnx("fp32")), providers=["CPUExecutionProvider"])
    feed = {"image": image.numpy(), "mask": mask.numpy(), "sketch": sketch.numpy()}
    output, updated = session.run(["output", "updated_mask"], feed)
    assert np.linalg.norm(output - expected[0].numpy()) < 1e-5 * np.linalg.norm(expected[0].numpy())
    assert (updated == expected[2].numpy()).all()


@pytest.mark.slow
def test_the_corpus_passes_with_lines(bundle: Bundle, deepfill: DeepFillV2) -> None:
    plan = make_plan(bundle, None, None, seed=0)
    drawn = [batch.sketch is not None and bool((batch.sketch & batch.hole).any()) for batch in plan.batches]
    assert sum(drawn) > len(drawn) / 2
    report = validate(bundle.path, network=deepfill)
    strict = next(candidate for candidate in report.candidates if "every value rounded" in candidate.name)
    assert strict.result == "pass", strict.reason
    assert report.passed


def test_headroom_is_given_to_the_lines_as_well(tmp_path: Path) -> None:
    network = Guided(gain=2.0**14)
    bundle = export_onnx(network, tmp_path, interface=INTERFACE, io="tensor", size=(32, 32))
    assert float(bundle.onnx("fp16").details["headroom"]) < 1
    model = ir.from_proto(onnx.load_from_string(bundle.file(bundle.onnx("fp16"))))
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, 32, 32), dtype=np.float32)
    mask, sketch = ((rng.random((1, 1, 32, 32)) < 0.5).astype(np.float32) for _ in range(2))
    found = StrictFp16(model, ("output",)).run({"image": image, "mask": mask, "sketch": sketch})
    assert found.first_non_finite is None
    with torch.no_grad():
        expected = network(*map(torch.from_numpy, (image, mask, sketch)))[0].numpy()
    # The second layer's weights are subnormal in FP16; lines without headroom would be eight times too strong or more.
    assert np.linalg.norm(found.outputs["output"] - expected) < 1e-2 * np.linalg.norm(expected)


def test_with_a_fixed_mask(dynamic: Bundle, tmp_path: Path) -> None:
    image, hole, line = scene(45, 70)
    bundle = export_onnx(Guided(), tmp_path, interface=INTERFACE, fixed_mask=hole, batch=(1, 2, 3))
    assert bundle.interface.inputs == ("image", "sketch")
    with Inpainter(bundle.path, device="cpu") as fixed, Inpainter(dynamic.path, device="cpu") as given:
        found, expected = fixed(image, sketch=line), given(image, hole, sketch=line)
        assert (found != fixed(image)).any()
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert validate(bundle.path, network=Guided()).passed


@pytest.mark.slow
@rtx
def test_engines_are_built(bundle: Bundle, dynamic: Bundle) -> None:
    for each in (bundle, dynamic):
        assert build_engines(each.path, target="sm89")[0].artifact.precision == "fp16"


def test_a_network_without_the_argument_is_refused(shared_bundle: Bundle, checkpoint: Path, tmp_path: Path) -> None:
    profile = Profile((1, 1, 1), (32,) * 3, (32,) * 3)
    with pytest.raises(NetworkError, match=r"Conv2d takes no sketch: its forward\(input\) has no third argument"):
        trace(TensorNetwork(torch.nn.Conv2d(3, 3, 1), INTERFACE), profile)
    message = refused("export-onnx", checkpoint, "-o", tmp_path / "none", "--size", "32x32", "--sketch")
    assert "PConvUNet takes no sketch" in message
    image, hole, line = scene(64, 64)
    with Inpainter(shared_bundle.path) as inpaint, pytest.raises(ImageError, match="network takes no sketch"):
        inpaint(image, hole, sketch=line)


def test_wrong_sketches_are_refused(dynamic: Bundle) -> None:
    image, hole, line = scene(40, 48)
    with Inpainter(dynamic.path) as inpaint:
        with pytest.raises(ImageError, match=r"sketch is float64 .* non-zero = line"):
            inpaint(image, hole, sketch=line.astype(float))  # type: ignore[arg-type]
        with pytest.raises(ImageError, match=r"sketch is \(39, 48\), but the image needs \(40, 48\)"):
            inpaint(image, hole, sketch=line[1:])
        with pytest.raises(ImageError, match="sketch is"):
            inpaint(image[None], hole[None], sketch=line)


def test_a_document_that_contradicts_itself_is_refused(dynamic: Bundle, tmp_path: Path) -> None:
    values = json.loads((dynamic.path / "bundle.json").read_text())
    values["network"]["sketch"] = False
    (tmp_path / "bundle.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match=r"network\.sketch is false, expected true where the inputs have sketch"):
        Bundle.open(tmp_path)


def test_the_commands(dynamic: Bundle, shared_bundle: Bundle, tmp_path: Path) -> None:
    image, hole, line = scene(40, 48)
    photos, masks, sketches = (tmp_path / name for name in ("photos", "masks", "sketches"))
    for folder, pixels in ((photos, image), (masks, hole), (sketches, line)):
        folder.mkdir()
        Image.fromarray(pixels if folder == photos else pixels.astype(np.uint8) * 255).save(folder / "one.png")
    bundle, filled = tmp_path / "bundle", tmp_path / "filled.png"
    photo, mask, sketch = (folder / "one.png" for folder in (photos, masks, sketches))
    run(
        "export-onnx", "--network", "tests.guided:Guided", "-o", bundle, "--size", "40x48", "--sketch",
        "--precision", "fp32",
    )  # fmt: skip
    assert Bundle.open(bundle).interface.inputs == ("image", "mask", "sketch")
    arguments = ("inpaint", bundle, "--image", photo, "--mask", mask, "-o", filled)
    run(*arguments)
    without = np.array(Image.open(filled))
    run(*arguments, "--sketch", sketch)
    guided = np.array(Image.open(filled))
    assert (guided[hole] != without[hole]).any()
    assert (guided[~hole] == image[~hole]).all()
    run("inpaint", bundle, "--image", photos, "--mask", masks, "--sketch", sketches, "-o", tmp_path / "out")
    assert (np.array(Image.open(tmp_path / "out" / "one.png")) == guided).all()
    Image.fromarray(image[:39]).save(tmp_path / "small.png")
    assert "make the sketch the same size" in refused(*arguments, "--sketch", tmp_path / "small.png")
    assert "is a folder, but --image" in refused(*arguments, "--sketch", sketches)
    sketch.rename(sketches / "two.png")
    message = refused(
        "inpaint", bundle, "--image", photos, "--mask", mask, "--sketch", sketches, "-o", tmp_path / "out"
    )
    assert "holds no sketch for one.png" in message
    assert "takes no sketch; leave out --sketch" in refused(
        "inpaint", shared_bundle.path, "--image", photo, "--mask", mask, "--sketch", mask, "-o", filled
    )

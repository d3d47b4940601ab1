"""`--fixed-mask`: the mask path becomes constants, the bundle takes no mask, and the image is the same."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks.networks.partial_conv import NoMaskPath, dividing_trained_scale, randomise
from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.graph.passes.fix_mask import fix_mask
from inpaintrt.export.networks import PConvUNet
from inpaintrt.export.tracing.deployed import TensorNetwork
from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BundleError, ImageError, UsageError
from inpaintrt.validation import validate
from tests.commands import refused, run as run_command
from tests.conftest import copy_bundle, random_image
from tests.export.graph.formulation_networks import ThreeLayers
from tests.export.graph.formulations import RatioThenClamp
from tests.export.graph.graphs import inputs, operators, run, wide_trace

HEIGHT, WIDTH = 45, 70
"""No multiples of the networks' 8."""


def logo(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    hole = np.zeros((height, width), dtype=np.bool_)
    hole[8:20, 30:62] = True
    hole[12:16, 40:44] = False
    return hole


@pytest.fixture(scope="module")
def fixed(network: PConvUNet, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_onnx(
        network, tmp_path_factory.mktemp("fixed"), interface=network.interface(image_range=(-1.0, 1.0)),
        batch=(1, 2, 3), fixed_mask=logo(),
    )  # fmt: skip


def test_the_image_is_the_one_a_given_mask_makes(fixed: Bundle, dynamic_bundle: Bundle) -> None:
    image = np.stack([random_image(HEIGHT, WIDTH, seed)[0] for seed in range(3)])
    mask = np.broadcast_to(logo(), image.shape[:3])
    with Inpainter(fixed.path) as with_fixed, Inpainter(dynamic_bundle.path, window="whole") as with_given:
        found, expected = with_fixed(image), with_given(image, mask)
        assert (with_fixed(image[0]) == found[0]).all()
    assert (found[~mask] == image[~mask]).all()
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found[mask] != image[mask]).any()


def test_nothing_of_the_mask_is_left_to_compute(fixed: Bundle, shared_bundle: Bundle) -> None:
    before, after = (onnx.load_from_string(bundle.file(bundle.onnx("fp32"))).graph for bundle in (shared_bundle, fixed))
    assert [value.name for value in after.input] == ["image"]
    convolutions = [sum(node.op_type == "Conv" for node in graph.node) for graph in (before, after)]
    assert convolutions[1] == convolutions[0] - 6  # one mask sum for each layer
    assert not any(node.op_type == "Max" for node in after.node)


def test_the_mask_path_is_evaluated_once() -> None:
    model = wide_trace()
    known = inputs()["mask"]
    fixed = fix_mask(model, known, 1)
    assert [value.name for value in fixed.graph.inputs] == ["image"]
    convolutions = [operators(each)["Conv"] for each in (model, fixed)]
    assert convolutions == [12, 6]  # one mask sum for each layer
    expected, found = run(model, inputs()), run(fixed, {"image": inputs()["image"]})
    assert np.linalg.norm(found[0] - expected[0]) < 1e-5 * np.linalg.norm(expected[0])
    assert (found[1] == expected[1]).all()


@pytest.mark.parametrize("batch", [1, 2, (1, 2, 3)])
@pytest.mark.parametrize(
    ("network", "interface"),
    [
        (dividing_trained_scale(), Interface(mask_channels=3, size_multiple=8)),
        (randomise(NoMaskPath()), Interface(mask_polarity="hole")),
        (randomise(ThreeLayers(RatioThenClamp)), Interface()),
    ],
    ids=["masks as wide as features", "mask joined to the image", "reference form"],
)
def test_every_network_and_batch(network: nn.Module, interface: Interface, batch: object, tmp_path: Path) -> None:
    bundle = export_onnx(
        network, tmp_path, interface=interface, io="tensor", batch=batch, fixed_mask=logo(48, 72), precisions=("fp32",)
    )
    assert bundle.interface.inputs == ("image",)
    count = 2 if batch == 2 else 1
    session = onnxruntime.InferenceSession(bundle.file(bundle.onnx("fp32")))
    for images in (count, *((3,) if isinstance(batch, tuple) else ())):
        image = torch.randn(images, 3, 48, 72)
        hole = torch.from_numpy(logo(48, 72)).float().expand(images, 1, -1, -1)
        with torch.no_grad():
            mask = hole if interface.mask_polarity == "hole" else 1 - hole
            expected = TensorNetwork(network, interface)(image, mask)
        found = session.run(None, {"image": image.numpy()})
        assert len(found) == len(expected)
        assert np.linalg.norm(found[0] - expected[0].numpy()) / np.linalg.norm(expected[0].numpy()) < 1e-5
        for updated, same in zip(found[1:], expected[1:], strict=True):
            assert (updated == same.numpy()).all()


def test_validation_sees_an_updated_mask_that_is_stored(network: PConvUNet, tmp_path: Path) -> None:
    bundle = export_onnx(network, tmp_path, interface=network.interface(), fixed_mask=logo(48, 64))
    assert validate(bundle.path, network=network).passed


def test_validation_runs_the_fixed_mask(fixed: Bundle, network: PConvUNet) -> None:
    report = validate(fixed.path, network=network)
    assert report.passed
    ran = [candidate for candidate in report.candidates if candidate.judged and candidate.result == "pass"]
    assert {candidate.artifact for candidate in ran} == {"model.fp32.onnx", "model.fp16.onnx"}
    assert all(case.case.startswith("fixed mask") for candidate in ran for case in candidate.cases)


def test_engines_are_built_for_it(fixed: Bundle) -> None:
    pytest.importorskip("tensorrt_rtx")
    from inpaintrt.engines import build_engines

    (engine,) = build_engines(fixed.path, backend="tensorrt-rtx", target="sm89")
    assert engine.artifact.bytes > 0


def test_what_does_not_fit_is_refused(fixed: Bundle, shared_bundle: Bundle, network: PConvUNet, tmp_path: Path) -> None:
    image, mask = random_image(HEIGHT, WIDTH)
    with Inpainter(fixed.path) as inpaint:
        with pytest.raises(ImageError, match="the mask of this bundle is fixed"):
            inpaint(image, mask)
        with pytest.raises(ImageError, match="the image is 70x44, but the fixed mask of this bundle is for 70x45"):
            inpaint(image[1:])
    with Inpainter(shared_bundle.path) as inpaint, pytest.raises(ImageError, match="no mask was given"):
        inpaint(image)
    with pytest.raises(UsageError, match="has no hole"):
        export_onnx(network, tmp_path, interface=network.interface(), fixed_mask=np.zeros((16, 16), dtype=np.bool_))
    with pytest.raises(UsageError, match="is uint8"):
        export_onnx(network, tmp_path, interface=network.interface(), fixed_mask=np.ones((16, 16), dtype=np.uint8))  # type: ignore[arg-type]


def test_a_bundle_whose_mask_was_exchanged_is_refused(fixed: Bundle, checkpoint: Path, tmp_path: Path) -> None:
    bundle = copy_bundle(fixed, tmp_path / "copy", checkpoint)
    Image.fromarray(np.where(~logo(), 255, 0).astype(np.uint8)).save(bundle.path / "fixed_mask.png")
    with pytest.raises(BundleError, match="was altered or is damaged"):
        Inpainter(bundle.path)


def test_the_commands(checkpoint: Path, tmp_path: Path) -> None:
    image, _ = random_image(HEIGHT, WIDTH)
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(np.where(logo(), 255, 0).astype(np.uint8)).save(tmp_path / "logo.png")
    bundle, photo, mask, filled = (tmp_path / name for name in ("bundle", "photo.png", "logo.png", "filled.png"))
    run_command("export-onnx", checkpoint, "-o", bundle, "--fixed-mask", mask, "--precision", "fp32")
    run_command("inpaint", bundle, "--image", photo, "-o", filled)
    result = np.array(Image.open(filled))
    assert (result[~logo()] == image[~logo()]).all()
    assert (result[logo()] != image[logo()]).any()
    assert "leave out --mask" in refused("inpaint", bundle, "--image", photo, "--mask", mask, "-o", filled)
    message = refused("export-onnx", checkpoint, "-o", bundle, "--fixed-mask", mask, "--size", "64x64")
    assert "leave out --size" in message

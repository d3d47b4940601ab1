"""`Inpainter`: any size, known pixels untouched, threads, and clear refusals."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError, BundleError, ImageError
from tests.conftest import random_image


def test_runtime_imports_neither_torch_nor_onnx() -> None:
    program = (
        "import sys, inpaintrt.runtime, inpaintrt.runtime.command\n"
        "heavy = {'torch', 'onnx', 'onnx_ir', 'onnxruntime', 'tensorrt_rtx', 'polygraphy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_known_pixels_stay_and_holes_change(shared_bundle: Bundle) -> None:
    image, hole = random_image(64, 64)
    before = image.copy()
    with Inpainter(shared_bundle.path, device="cpu") as inpaint:
        filled = inpaint(image, hole)
    assert (filled[~hole] == image[~hole]).all()
    assert (filled[hole] != image[hole]).any()
    assert (image == before).all()


def test_any_non_zero_mask_value_is_a_hole(shared_bundle: Bundle) -> None:
    image, hole = random_image(64, 64)
    values = np.where(hole, np.arange(64 * 64).reshape(64, 64) % 255 + 1, 0).astype(np.uint8)
    with Inpainter(shared_bundle.path, device="cpu") as inpaint:
        assert (inpaint(image, values) == inpaint(image, hole)).all()


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 200), width=st.integers(1, 200), seed=st.integers(0, 99))
def test_any_size(dynamic_bundle: Bundle, height: int, width: int, seed: int) -> None:
    image, hole = random_image(height, width, seed)
    with Inpainter(dynamic_bundle.path, device="cpu") as inpaint:
        filled = inpaint(image, hole)
    assert filled.shape == image.shape
    assert (filled[~hole] == image[~hole]).all()


def test_padding_counts_as_hole(dynamic_bundle: Bundle) -> None:
    image, hole = random_image(50, 61)
    padded, padded_hole = np.full((56, 64, 3), 77, np.uint8), np.ones((56, 64), np.bool_)
    padded[:50, :61], padded_hole[:50, :61] = image, hole
    with Inpainter(dynamic_bundle.path, device="cpu") as inpaint:
        assert (inpaint(image, hole) == inpaint(padded, padded_hole)[:50, :61]).all()


def test_batches_of_any_length_equal_single_images(dynamic_bundle: Bundle) -> None:
    pairs = [random_image(40, 48, seed) for seed in range(5)]
    images, holes = (np.stack(part) for part in zip(*pairs, strict=True))
    holes[2] = False
    with Inpainter(dynamic_bundle.path, device="cpu") as inpaint:
        together = inpaint(images, holes)
        for index, (image, _) in enumerate(pairs):
            difference = np.abs(together[index].astype(int) - inpaint(image, holes[index]))
            assert difference.max() <= 1  # other sums for another batch size, rounded to 8 bits
    assert (together[2] == images[2]).all()


def test_a_small_hole_in_a_large_image_costs_one_window(
    dynamic_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = random_image(500, 700)
    hole = np.zeros((500, 700), np.bool_)
    hole[300:310, 400:420] = True
    with Inpainter(dynamic_bundle.path, device="cpu") as inpaint:
        shapes = []
        run = inpaint._backend.run
        monkeypatch.setattr(inpaint._backend, "run", lambda given, size: shapes.append(size) or run(given, size))
        filled = inpaint(image, hole)
    assert shapes == [(1, 64, 96)]
    assert (filled[~hole] == image[~hole]).all()
    assert (filled[hole] != image[hole]).any()


def test_threads_share_an_inpainter(dynamic_bundle: Bundle) -> None:
    pairs = [random_image(40 + 8 * (seed % 3), 64, seed) for seed in range(24)]
    with Inpainter(dynamic_bundle.path, device="cpu", threads=1) as inpaint:
        expected = [inpaint(*pair) for pair in pairs]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda pair: inpaint(*pair), pairs))
    assert all((a == b).all() for a, b in zip(expected, found, strict=True))


def test_the_choice_of_backend_is_told_with_reasons(shared_bundle: Bundle) -> None:
    with Inpainter(shared_bundle.path, device="cpu") as inpaint:
        assert str(inpaint.backend) == "onnxruntime-cpu fp32"
    with Inpainter(shared_bundle.path) as inpaint:
        rejected = dict(inpaint.backend.rejected)
    assert rejected["tensorrt"] == "the bundle holds no such engine; build-engines makes one"


@pytest.mark.parametrize(
    ("image", "mask", "reason"),
    [
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), r"image is uint8 \(8, 8\); expected"),
        (np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8), np.uint8), r"image is uint8 \(8, 8, 4\)"),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), "image is float32"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), "mask is float32"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9), np.uint8), r"mask is \(8, 9\), but the image needs \(8, 8\)"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8), np.uint8), r"mask is \(1, 8, 8\)"),
        (np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8), np.uint8), "is empty"),
    ],
)
def test_wrong_arrays_are_refused(shared_bundle: Bundle, image: np.ndarray, mask: np.ndarray, reason: str) -> None:
    with Inpainter(shared_bundle.path, device="cpu") as inpaint, pytest.raises(ImageError, match=reason):
        inpaint(image, mask)


def test_an_altered_model_is_never_passed_over(bundle: Bundle) -> None:
    path = bundle.path / "model.fp32.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="was altered or is damaged"):
        Inpainter(bundle.path)


def test_a_bundle_of_tensors_is_refused(network: object, tmp_path: Path) -> None:
    from inpaintrt.export import export_onnx

    bundle = export_onnx(
        network, tmp_path, interface=network.interface(), size=(16, 16), io="tensor", precisions=("fp32",)
    )
    with pytest.raises(BackendError, match="exported with --io tensor"):
        Inpainter(bundle.path)


def test_a_bundle_of_one_precision_runs_in_that(network: object, tmp_path: Path) -> None:
    from inpaintrt.export import export_onnx

    bundle = export_onnx(network, tmp_path, interface=network.interface(), size=(16, 16), precisions=("fp16",))
    with Inpainter(bundle.path, device="cpu") as inpaint:
        assert inpaint.backend.name == "onnxruntime-cpu fp16"

"""Frames on the GPU: bytes, order, lifetime and refusals, on stand-ins; `test_gpu.py` has the real ones."""

from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError, ImageError

from .backends.stand_in_frames import GpuArray, View
from .backends.stand_in_gpu import Machine, Stream
from .backends.stand_in_library import Library


@pytest.fixture(autouse=True)
def views(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("cuda.core.utils")
    monkeypatch.setattr(utils, "StridedMemoryView", View)


def frames(*shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8), rng.integers(0, 2, shape, dtype=np.uint8)


def filled(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None] != 0, 255 - image, image)


@pytest.mark.parametrize("shape", [(16, 16), (9, 21), (3, 16, 24), (6, 16, 16), (1, 8, 8)])
def test_frames_stay_on_the_gpu(
    engine_bundle: Bundle, library: Library, machine: Machine, shape: tuple[int, ...]
) -> None:
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        for seed in range(3):
            image, mask = frames(*shape, seed=seed)
            before = machine.calls.count("PinnedBuffer.close") + machine.calls.count("Buffer.copy_to")
            result = inpaint(GpuArray(image), GpuArray(mask != 0))
            assert machine.calls.count("PinnedBuffer.close") + machine.calls.count("Buffer.copy_to") == before
            assert result.shape == (*shape, 3)
            assert result.__dlpack_device__() == (2, 0)
            assert (result.__dlpack__(stream=-1) == filled(image, mask)).all()
            assert result.__cuda_array_interface__["shape"] == (*shape, 3)
    assert machine.context == "the caller's"


@pytest.mark.parametrize("shape", [(100, 130), (2, 70, 65)])
def test_large_frames_are_filled_in_windows_as_on_the_host(
    engine_bundle: Bundle, library: Library, machine: Machine, shape: tuple[int, ...]
) -> None:
    image, mask = frames(*shape)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        result = inpaint(GpuArray(image), GpuArray(mask)).__dlpack__(stream=-1)
        assert (result == inpaint(image, mask)).all()
        assert (result == filled(image, mask)).all()


def test_out_and_rows_with_a_pitch(engine_bundle: Bundle, library: Library) -> None:
    image, mask = frames(2, 20, 40)
    out = np.zeros((2, 24, 48, 3), np.uint8)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        target = GpuArray(out[:, :16, :32])
        given = GpuArray(image[:, 2:18, 4:36]), GpuArray(mask[:, 2:18, 4:36])
        assert inpaint(*given, out=target) is target
    assert (out[:, :16, :32] == filled(image, mask)[:, 2:18, 4:36]).all()
    assert not out[:, 16:].any()
    assert not out[:, :, 32:].any()


def test_the_callers_stream_orders_what_comes_before_and_after(
    engine_bundle: Bundle, library: Library, machine: Machine
) -> None:
    image, mask = frames(16, 16)
    given, seen = np.zeros_like(image), []
    stream = Stream(machine)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        stream.do(lambda: given.__setitem__(slice(None), image))  # the caller's kernel, still to run
        array = GpuArray(given)
        result = inpaint(array, GpuArray(mask), stream=stream)
        assert array.asked == [inpaint._backend.copy_in.handle]  # type: ignore[attr-defined]
        assert not given.any()  # only enqueued
        stream.do(lambda: given.fill(0))  # the caller uses the memory again
        stream.do(lambda: seen.append(result.__dlpack__(stream=-1).copy()))
        stream.sync()
    assert (seen[0] == filled(image, mask)).all()
    assert result.__cuda_array_interface__["stream"] == stream.handle


def test_frames_and_host_images_may_alternate(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    stream, results = Stream(machine), []
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        for seed in range(6):
            image, mask = frames(16, 16, seed=seed)
            results.append((inpaint(GpuArray(image), GpuArray(mask), stream=stream), filled(image, mask), image, mask))
            image, mask = frames(16, 16, seed=seed + 50)
            assert (inpaint(image, mask) == filled(image, mask)).all()
        stream.sync()
        assert all((result.__dlpack__(stream=-1) == expected).all() for result, expected, *_ in results)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"image": GpuArray(np.zeros((8, 8, 3), np.float32))},
            r"image is float32 \(8, 8, 3\); expected uint8 \[H,W,3\]",
        ),
        ({"image": GpuArray(np.zeros((8, 8), np.uint8))}, r"image is uint8 \(8, 8\); expected"),
        ({"image": GpuArray(np.zeros((0, 8, 3), np.uint8))}, r"image of shape \(0, 8, 3\) is empty"),
        ({"image": GpuArray(np.zeros((3, 8, 8), np.uint8).transpose(1, 2, 0))}, r"strides .*make it contiguous"),
        ({"mask": GpuArray(np.zeros((8, 9), np.uint8))}, r"mask is \(8, 9\), but the image needs \(8, 8\)"),
        ({"mask": GpuArray(np.zeros((8, 8), np.uint8), 1)}, "mask is on cuda:1, but the frames .* on cuda:0"),
        ({"mask": np.zeros((8, 8), np.uint8)}, "mask is not on a GPU, but"),
        ({"mask": None}, "no mask was given"),
        ({"out": GpuArray(np.zeros((8, 9, 3), np.uint8))}, r"out is \(8, 9, 3\), but the image is \(8, 8, 3\)"),
        ({"out": GpuArray(np.zeros((8, 8, 3), np.uint8), readonly=True)}, "out is read-only"),
        ({"sketch": GpuArray(np.zeros((8, 8), np.uint8))}, "takes no sketch"),
    ],
)
def test_wrong_frames_are_refused(engine_bundle: Bundle, library: Library, change: dict[str, Any], reason: str) -> None:
    given = {"image": GpuArray(np.zeros((8, 8, 3), np.uint8)), "mask": GpuArray(np.zeros((8, 8), np.uint8))} | change
    with Inpainter(engine_bundle.path, "cuda") as inpaint, pytest.raises(ImageError, match=reason):
        inpaint(given.pop("image"), given.pop("mask"), **given)


@pytest.mark.parametrize(
    "name", ["cuMemcpy3DAsync", "cuMemsetD2D8Async", "Device.allocate", "Stream.record", "Buffer.fill"]
)
def test_a_call_that_fails_is_an_error_and_the_next_one_works(
    engine_bundle: Bundle, library: Library, machine: Machine, name: str
) -> None:
    image, mask = frames(70, 90)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        machine.fail = name
        try:
            inpaint(GpuArray(image), GpuArray(mask))
        except BackendError as error:
            assert "injected" in str(error)
        machine.fail = None
        assert (inpaint(GpuArray(image), GpuArray(mask)).__dlpack__(stream=-1) == filled(image, mask)).all()


def test_host_images_take_out_as_well(engine_bundle: Bundle, library: Library) -> None:
    image, mask = frames(16, 16)
    out = np.zeros_like(image)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        assert inpaint(image, mask, out=out) is out
        assert (out == filled(image, mask)).all()
        with pytest.raises(ImageError, match=r"out is uint8 \(16, 15, 3\); expected uint8 \(16, 16, 3\)"):
            inpaint(image, mask, out=out[:, 1:])
        with pytest.raises(ImageError, match="a stream was given, but the image is not on a GPU"):
            inpaint(image, mask, stream=1)

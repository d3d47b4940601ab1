"""Frames on the GPU: bytes, order, lifetime and refusals, on stand-ins; `test_gpu.py` has the real ones."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError, ImageError
from inpaintrt.runtime.frame_filling import FrameFiller

from .backends.stand_in_frames import GpuArray, filled, frames
from .backends.stand_in_gpu import Machine, Stream
from .backends.stand_in_library import Library

pytestmark = pytest.mark.usefixtures("views")


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


@pytest.mark.parametrize("in_place", [False, True])
def test_windows_and_wide_holes_of_frames_are_filled_as_on_the_host(
    engine_bundle: Bundle, library: Library, in_place: bool
) -> None:
    image, _ = frames(2, 300, 280)
    mask = np.zeros((2, 300, 280), np.uint8)
    mask[0, 20:260, 30:250] = 1  # wider than any window: filled at a smaller scale
    mask[1, ::50, ::70] = mask[1, 100:104, 3:270] = 1
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        for window in ("auto", 32):
            expected = inpaint(image, mask, window=window)
            given = GpuArray(image.copy())
            result = inpaint(given, GpuArray(mask), window=window, out=given if in_place else None)
            found = result.array if in_place else result.__dlpack__(stream=-1)
            assert (found == expected).all()
            assert (expected != image).any(axis=-1).any(axis=(1, 2)).all()
            assert (found[mask == 0] == image[mask == 0]).all()
        with pytest.raises(ImageError, match="is 300 pixels high, but the network takes 64 as a whole"):
            inpaint(GpuArray(image), GpuArray(mask), window="whole")


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


def test_an_image_is_filled_in_place_where_out_is_the_image(engine_bundle: Bundle, library: Library) -> None:
    for shape in ((16, 16), (80, 70)):
        image, mask = frames(*shape)
        good = filled(image, mask)
        with Inpainter(engine_bundle.path, "cuda") as inpaint:
            inpaint(GpuArray(image), GpuArray(mask), out=GpuArray(image))
        assert (image == good).all()


@pytest.mark.parametrize("shape", [(16, 16), (80, 70)])
def test_what_still_reads_out_comes_first(
    engine_bundle: Bundle, library: Library, machine: Machine, shape: tuple[int, ...]
) -> None:
    image, mask = frames(*shape)
    out, producer, seen = np.zeros_like(image), Stream(machine), []
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        producer.do(lambda: seen.append(out.copy()))  # a kernel of the library that owns it, still to run
        inpaint(GpuArray(image), GpuArray(mask), out=GpuArray(out, producer=producer))
    assert not seen[0].any()
    assert (out == filled(image, mask)).all()


def test_a_call_that_fails_leaves_nothing_to_be_written_later(
    engine_bundle: Bundle, library: Library, machine: Machine
) -> None:
    image, mask = frames(6, 16, 16)  # two batches
    out = np.zeros_like(image)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        inpaint(GpuArray(image[:4]), GpuArray(mask[:4]))
        library.makes_contexts = False  # so that the second one fails, before anything waits for the first
        with pytest.raises(BackendError, match="no execution context for"):
            inpaint(GpuArray(image), GpuArray(mask), out=GpuArray(out))
        written = out.copy()
        for stream in machine.open_of("Stream"):
            stream.sync()
        assert (out == written).all()  # the caller may have freed it
        library.makes_contexts = True
        assert (inpaint(GpuArray(image), GpuArray(mask)).__dlpack__() == filled(image, mask)).all()


def test_closing_between_two_windows_ends_the_call_and_then_frees(
    engine_bundle: Bundle, library: Library, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask = frames(200, 90)
    inpaint = Inpainter(engine_bundle.path, "cuda")
    ran, closing = FrameFiller._run, threading.Thread(target=inpaint.close)

    def closed_meanwhile(*given: Any) -> None:
        ran(*given)
        if not closing.ident:
            closing.start()
            while not inpaint._backend._slots._closed:  # type: ignore[attr-defined]
                time.sleep(0.001)

    monkeypatch.setattr(FrameFiller, "_run", closed_meanwhile)
    with pytest.raises(BackendError, match="this Inpainter was closed"):
        inpaint(GpuArray(image), GpuArray(mask))
    closing.join(10)
    assert not closing.is_alive()
    assert machine.left_open() == []


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
        (
            {"image": GpuArray(np.zeros((8, 8, 3), np.complex64))},
            "image cannot be read on the GPU: bfloat is not supported yet",
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
        ({"stream": -1}, "stream is -1; give the handle of a stream, or leave it out"),
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

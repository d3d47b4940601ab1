"""Results on the GPU as other libraries see them: DLPack, and `__cuda_array_interface__`, on stand-ins."""

from typing import Any

import pytest

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import ImageError

from .backends.stand_in_frames import GpuArray, InterfaceArray, filled, frames
from .backends.stand_in_gpu import Machine, Stream
from .backends.stand_in_library import Library

pytestmark = pytest.mark.usefixtures("views")


@pytest.mark.parametrize(
    ("stream", "waits"), [(None, "default"), (1, "default"), (2, "default"), (-1, ""), ("own", "own")]
)
def test_dlpack_lets_the_consumers_stream_wait(
    engine_bundle: Bundle, library: Library, machine: Machine, stream: Any, waits: str
) -> None:
    image, mask = frames(16, 16)
    own, caller = Stream(machine), Stream(machine)
    streams = {"own": own, "default": machine.default_stream}
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        result = inpaint(GpuArray(image), GpuArray(mask), stream=caller)  # only enqueued
        before = {name: len(each.work) for name, each in streams.items()}
        given = result.__dlpack__(stream=own.handle if stream == "own" else stream, max_version=(1, 0))
        assert {name for name, each in streams.items() if len(each.work) > before[name]} == {waits} - {""}
        if waits:
            streams[waits].sync()
            assert (given == filled(image, mask)).all()
        caller.sync()
    assert (given == filled(image, mask)).all()
    assert machine.context == "the caller's"


def test_dlpack_refuses_what_it_cannot_do(engine_bundle: Bundle, library: Library) -> None:
    image, mask = frames(16, 16)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        result = inpaint(GpuArray(image), GpuArray(mask))
        with pytest.raises(BufferError, match="stream 0 could mean either default stream"):
            result.__dlpack__(stream=0)
        with pytest.raises(BufferError, match=r"the images are on cuda:0, not on device \(1, 0\); copy them first"):
            result.__dlpack__(dl_device=(1, 0))
        with pytest.raises(BufferError, match="copy=True"):
            result.__dlpack__(copy=True)
        assert (result.__dlpack__(dl_device=(2, 0), copy=False) == filled(image, mask)).all()


def test_a_result_outlives_the_inpainter_and_its_wrapper(
    engine_bundle: Bundle, library: Library, machine: Machine
) -> None:
    image, mask = frames(16, 16)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        result = inpaint(GpuArray(image), GpuArray(mask))
    given = result.__dlpack__(stream=-1)
    del result
    assert (given == filled(image, mask)).all()
    del given
    assert machine.left_open() == []


def test_arrays_with_the_older_protocol_only_find_their_gpu(
    engine_bundle: Bundle, library: Library, machine: Machine
) -> None:
    machine.devices = 2
    image, mask = frames(16, 16)
    with Inpainter(engine_bundle.path, "cuda:all") as inpaint:
        result = inpaint(InterfaceArray(image, 1), InterfaceArray(mask, 1))
        assert result.__dlpack_device__() == (2, 1)
        assert (result.__dlpack__(stream=-1) == filled(image, mask)).all()
        assert result.__cuda_array_interface__["stream"] == machine.default_stream.handle
        with pytest.raises(ImageError, match="mask is on cuda:0, but the frames of this call must be on cuda:1"):
            inpaint(InterfaceArray(image, 1), InterfaceArray(mask, 0))

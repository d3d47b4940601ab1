"""Every call of the driver fails once, under the real `cuda-core`: run by `test_driver.py` on the stand-in driver.

Prints the driver's functions that were met, as JSON; any other end than that is a failure.
"""

import contextlib
import ctypes
import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inpaintrt.runtime import Bundle
from inpaintrt.runtime.backends import choice, engine
from inpaintrt.runtime.backends.gpu import current
from inpaintrt.runtime.backends.tensor_rt import TensorRTBackend
from inpaintrt.runtime.errors import InpaintrtError
from inpaintrt.runtime.frame_filling import FrameFiller
from tests.runtime.conftest import make_engine_bundle
from tests.test_gpu import CopyingLibrary, Machine, image_of

DRIVER = ctypes.CDLL("libcuda.so.1")
DRIVER.stand_in_failed.restype = ctypes.c_char_p


class Interface:
    """An array with the older protocol only."""

    def __init__(self, array: Any):
        address = int(array.ptr)
        self.keeps = array
        self.__cuda_array_interface__ = {
            "shape": array.shape, "typestr": "|u1", "data": (address, False), "version": 3, "stream": 1,
        }  # fmt: skip


def on_gpu(array: np.ndarray, device: Any) -> Any:
    """A copy of an array in the driver's memory, for `cuda-core`; that memory is the host's."""
    from cuda.core.utils import StridedMemoryView

    buffer = device.allocate(array.nbytes, stream=device.default_stream)
    ctypes.memmove(int(buffer.handle), array.ctypes.data, array.nbytes)
    return StridedMemoryView.from_buffer(buffer, array.shape, dtype=array.dtype)


def on_host(result: Any, device: Any) -> np.ndarray:
    """What frames on the GPU hold, by way of DLPack."""
    from cuda.core.utils import StridedMemoryView

    view = StridedMemoryView.from_any_interface(result, int(device.default_stream.handle))
    device.default_stream.sync()
    size = int(np.prod(view.shape))
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(view.ptr))).reshape(view.shape).copy()


def steps(bundle: Bundle) -> Iterator[bool]:
    """Opening, plain runs, a capture, replays, larger shapes, eviction, frames, windows and closing; one at a time."""
    backend = TensorRTBackend(bundle, bundle.artifacts[0])
    filler = FrameFiller(backend, bundle.interface)
    try:
        for seed, side in enumerate((16, 16, 16, 32, 8, 24, 40, 16)):
            given = image_of(side, seed)
            with told():
                yield bool((backend.run(given) == given["image"]).all())
        views = lambda array: array  # noqa: E731 - of cuda-core
        for side, kind, stream in ((16, views, None), (16, views, 0), (24, Interface, 1), (70, views, None)):
            given = image_of(side, side)
            with current(backend.device):
                with told():
                    arrays = {name: kind(on_gpu(array, backend.device)) for name, array in given.items()}
                    result = filler.fill(arrays, None, stream)
                    yield bool((on_host(result, backend.device) == given["image"]).all())
                arrays = result = None
    finally:
        with told():
            backend.close()


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What a failed call may raise: an error of ours; in this program's own calls, one of `cuda-core`."""
    try:
        yield
    except Exception as error:
        ours = isinstance(error, InpaintrtError) or "inpaintrt" not in str(error.__traceback__)
        if not ours or b"" == DRIVER.stand_in_failed():
            raise


def session(bundle: Bundle) -> list[bool]:
    with told():
        return list(steps(bundle))
    return []


def left_open() -> list[int]:
    counts = (ctypes.c_long * 4)()
    DRIVER.stand_in_open(counts)
    return list(counts)


def main() -> None:
    library = CopyingLibrary(Machine())
    library.capturable = True
    engine.load_library = choice.load_library = lambda _: library  # type: ignore[assignment]
    met: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_engine_bundle(Path(folder) / "places")
        good = session(bundle)
        assert good == [True] * 12, good
        before = left_open()
        first = DRIVER.stand_in_calls()
        session(bundle)
        calls = DRIVER.stand_in_calls() - first
        for call in range(0, calls, int(sys.argv[1])):
            DRIVER.stand_in_fail(call)
            found = session(bundle)
            DRIVER.stand_in_fail(-1)
            name = DRIVER.stand_in_failed().decode()
            met[name] = met.get(name, 0) + 1
            assert all(found), f"{name}, call {call}: wrong bytes in {found}"
            if left_open() != before:
                gc.collect()  # what an exception held
            if name == "cuStreamSynchronize":
                before[0] = left_open()[0]  # cuda-core keeps pinned memory whose stream it could not wait for
            assert left_open() == before, f"{name}, call {call}: {left_open()} are left, there were {before}"
            assert session(bundle) == good, f"{name}, call {call}: the next session does not work"
    print(json.dumps(met))  # noqa: T201 - for the test that runs this


if __name__ == "__main__":
    main()

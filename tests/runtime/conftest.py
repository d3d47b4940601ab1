"""The stand-ins in place of the installed libraries, and a bundle of engines for them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from inpaintrt.runtime.backends import choice, engine, gpu
from inpaintrt.runtime.bundle import Artifact, Bundle, DeployedInterface, Profile, commit, describe_file, lock, stage

from .backends.stand_in_frames import FrameDriver, View
from .backends.stand_in_gpu import STREAMS, Buffer, Device, Machine, Stream
from .backends.stand_in_library import Library


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def library(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Library:
    return install(machine, monkeypatch)


def install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Put the stand-ins in place of driver, `cuda-core` and the libraries."""
    core = pytest.importorskip("cuda.core")
    made, driver = Library(machine), FrameDriver(machine)
    monkeypatch.setattr(engine, "load_library", lambda _: made)
    monkeypatch.setattr(choice, "load_library", lambda _: made)
    monkeypatch.setattr(gpu, "driver", lambda: driver)

    def device(number: int) -> Device:
        return Device(machine, number)

    device.get_all_devices = lambda: [device(n) for n in range(machine.devices)]  # type: ignore[attr-defined]
    monkeypatch.setattr(core, "Device", device)

    def allocate(size: int) -> Buffer:
        machine.called("LegacyPinnedMemoryResource.allocate")
        return Buffer(machine, size, "PinnedBuffer")

    monkeypatch.setattr(core, "LegacyPinnedMemoryResource", lambda: SimpleNamespace(allocate=allocate))

    def from_handle(handle: int) -> Stream:
        return machine.default_stream if handle in (1, 2) else STREAMS[handle]

    monkeypatch.setattr(core, "Stream", SimpleNamespace(from_handle=from_handle))
    return made


@pytest.fixture
def engine_bundle(tmp_path: Path) -> Bundle:
    return make_engine_bundle(tmp_path / "places")


def make_engine_bundle(folder: Path) -> Bundle:
    """A bundle of engines only; best 16x16, up to 64x64 in batches of up to 4."""
    profile = Profile((1, 1, 4), (8, 16, 64), (8, 16, 64))
    interface = DeployedInterface("image", 8, profile, ("image", "mask"), ("composite",))
    made = Bundle(folder, {}, {}, interface, (artifact("tensorrt"), artifact("tensorrt-rtx")))
    engines = made.path / "engines"
    with stage(engines, "a", b"tensorrt") as one, stage(engines, "b", b"tensorrt-rtx") as two, lock(made.path):
        commit(made, {made.artifacts[0].path: one, made.artifacts[1].path: two})
    return made


def artifact(backend: str) -> Artifact:
    """The entry of an engine of `engine_bundle`."""
    return describe_file(
        backend.encode(), f"engines/{backend}.engine", "engine", "fp16",
        backend=backend, backend_version="1.0", target="sm89",
    )  # fmt: skip


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of the stand-in GPU are seen by it."""
    utils = pytest.importorskip("cuda.core.utils")
    monkeypatch.setattr(utils, "StridedMemoryView", View)

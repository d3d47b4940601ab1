"""Memory of the GPU backend: one pool, what is freed when, and how often an image is copied on the host."""

import tracemalloc

import numpy as np
import pytest

from inpaintrt.runtime import Inpainter
from inpaintrt.runtime.backends.memory import Binding, Memory
from inpaintrt.runtime.backends.slots import SHAPES_KEPT
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BackendError

from .calls import check, filled, open_backend, pair
from .stand_in_gpu import Machine
from .stand_in_library import Library

BEST = 16 * 16 * 3


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_all_shapes_share_one_pool_of_the_largest(
    engine_bundle: Bundle, library: Library, machine: Machine, backend: str
) -> None:
    library.capturable = True
    runner = open_backend(engine_bundle, backend)
    assert library.strategies[0] == "user managed"
    assert runner.memory == Memory(BEST, BEST * 7 // 3, BEST * 7 // 3)
    for side in (16, 32, 64, 16):  # the pool moves, and what was captured with the old one goes
        for seed in range(3):
            check(runner, side, seed)
    assert runner.memory.activations == 64 * 64 * 3
    assert len(machine.open_of("Buffer")) == 3 * 3 + 1
    runner.close()


def test_old_shapes_are_freed(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    runner = open_backend(engine_bundle)
    for side in range(16, 16 + SHAPES_KEPT + 2):
        check(runner, side, 0)
    assert len(machine.open_of("PinnedBuffer")) == 3 * SHAPES_KEPT
    check(runner, 16, 1)
    runner.close()
    assert machine.left_open() == []


def test_what_is_freed_is_given_back_to_the_machine(engine_bundle: Bundle, library: Library, machine: Machine) -> None:
    runner = open_backend(engine_bundle)
    check(runner, 64, 0)
    assert machine.pooled > 64 * 64
    runner.close()
    assert machine.pooled == 0
    machine.fail = "Context.set_device_memory"  # when all the rest is allocated
    with pytest.raises(BackendError, match="injected"):
        open_backend(engine_bundle)
    assert machine.pooled == 0  # the next backend in the order has another allocator


def test_an_image_is_written_once_into_pinned_memory_and_read_once(
    engine_bundle: Bundle, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all that NumPy allocates during a call: the result, and the mask as bytes of 0 and 1."""
    image, mask = pair(64, count=4)
    mask[:, 0, 0] = 1
    written: list[tuple[int, ...]] = []
    write = Binding.write

    def noted(binding: Binding, value: np.ndarray) -> None:
        written.append(value.shape)
        write(binding, value)

    monkeypatch.setattr(Binding, "write", noted)
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        inpaint(image, mask)
        written.clear()
        monkeypatch.setattr(library, "network", lambda *_: None)  # it allocates, in the place of a GPU
        tracemalloc.start()
        try:
            result = inpaint(image, mask)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert result.shape == image.shape
    assert written == [image.shape, mask.shape]
    assert image.nbytes + mask.nbytes <= peak < image.nbytes + mask.nbytes + image.nbytes // 2


@pytest.mark.parametrize("sides", [(9, 20), (20, 9), (16, 24), (9, 9)])
def test_padding_counts_as_hole_whatever_was_there_before(
    engine_bundle: Bundle, library: Library, sides: tuple[int, int]
) -> None:
    backend = open_backend(engine_bundle)
    seen: list[np.ndarray] = []
    with Inpainter(engine_bundle.path, "cuda") as inpaint:
        for seed in range(2):
            image, mask = (array[0, : sides[0], : sides[1]] for array in pair(24, seed))
            assert (inpaint(image, mask) == filled({"image": image, "mask": mask})).all()
            slot = next(iter(inpaint._backend._slots._of.values()))[-1]  # type: ignore[attr-defined]
            seen += [slot.bindings["mask"].array]
            check(backend, 24, seed)
    for size in (sides, (24, 24), sides):
        image, mask = (array[:, : size[0], : size[1]] for array in pair(24))
        backend.run({"image": image, "mask": mask}, (1, 24, 24))
        binding = backend._slots._of[1, 24, 24, 3][0].bindings
        assert binding["mask"].array[0, size[0] :].all()
        assert binding["mask"].array[0, :, size[1] :].all()
        assert not binding["image"].array[0, size[0] :].any()

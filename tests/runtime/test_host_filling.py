"""Filling on the host: batches, rounds and wide holes, with a network that shows what it was given."""

from typing import Any

import numpy as np
import pytest

from benchmarks.wide_holes import round_hole, seam
from inpaintrt.runtime.bundle import DeployedInterface, Profile
from inpaintrt.runtime.host_filling import HostFiller


class Rows:
    """A network that goes straight from the known pixel before a hole to the one after it in each row, and is off by
    a little, as networks are."""

    def __init__(self, off: int = 0):
        self.off = off
        self.shapes: list[tuple[int, ...]] = []

    def run(self, given: dict[str, Any], size: tuple[int, ...]) -> np.ndarray:
        self.shapes.append(given["mask"].shape)
        filled = given["image"].copy()
        for image, hole in zip(filled, given["mask"], strict=True):
            for row, unknown in zip(image, hole, strict=True):
                known = np.flatnonzero(~unknown)
                if unknown.any() and known.size:
                    places = np.flatnonzero(unknown)
                    for channel in range(3):
                        row[places, channel] = np.interp(places, known, row[known, channel]) + self.off
        return filled


def fill(network: Rows, image: np.ndarray, hole: np.ndarray, largest: int = 128, batch: int = 3) -> np.ndarray:
    profile = Profile((1, 1, batch), (32, 64, largest), (32, 64, largest))
    interface = DeployedInterface("image", 8, profile, ("image", "mask"), ("composite",))
    given = image[None], hole[None], np.zeros_like(hole)[None]
    filled: np.ndarray = HostFiller(network, interface).fill(*given, "auto")[0]
    assert (filled[~hole] == image[~hole]).all()
    return filled


def ramp(height: int, width: int, noise: int = 0) -> np.ndarray:
    values = 40 + 160 * np.arange(width) / width + np.random.default_rng(0).integers(-noise, noise + 1, (height, width))
    return np.repeat(np.round(values)[..., None], 3, axis=2).astype(np.uint8)


def test_windows_of_one_size_run_as_batches() -> None:
    hole = np.zeros((600, 900), np.bool_)
    hole[100:110:9, 100::200] = True
    network = Rows()
    image = ramp(600, 900)
    filled = fill(network, image, hole)
    assert network.shapes == [(3, 128, 128), (1, 128, 128)]
    assert np.abs(filled.astype(int) - image).max() <= 1


def test_far_off_holes_have_no_influence_on_bytes() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    near, far = np.zeros((600, 900), np.bool_), np.zeros((600, 900), np.bool_)
    near[200:230, 300:310] = near[240:244, 320:500] = True
    far[20:60, 40:80] = far[500:503, 600:880] = True
    alone, both = fill(Rows(), image, near), fill(Rows(), image, near | far)
    assert (both[near] == alone[near]).all()


def test_a_scratch_meets_what_its_neighbours_filled() -> None:
    hole = np.zeros((700, 700), np.bool_)
    hole[:, 340:352] = True
    network = Rows()
    filled = fill(network, ramp(700, 700), hole)
    assert {shape[1:] for shape in network.shapes} == {(128, 128)}
    assert np.abs(filled.astype(int) - ramp(700, 700)).max() <= 1


@pytest.mark.parametrize("noise", [0, 10])
def test_the_rim_of_a_wide_hole_is_no_stronger_than_what_is_near(noise: int) -> None:
    image, hole = ramp(500, 500, noise), round_hole(500)
    network = Rows(off=12)
    filled = fill(network, image, hole)
    assert len(network.shapes) == 1  # in one piece
    pasted = np.where(hole[..., None], image + np.uint8(12), image)
    assert seam(filled, hole) < seam(pasted, hole)
    if noise:
        assert seam(filled, hole) < 1
    else:
        assert np.abs(filled.astype(int) - image).max() <= 15
        step = np.abs(np.diff(filled.astype(int), axis=1)).max()
        assert step < 12  # what the network is off by is reached over several pixels


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (33, 400)])
def test_any_shape_all_hole_or_nearly(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    for share in (0.01, 0.5, 1):
        hole = rng.random(shape) < share
        hole[-1, -1] = True
        assert fill(Rows(), image, hole).shape == image.shape

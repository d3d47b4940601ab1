"""Wrong models are found: a few in every run, more in `make check`, and all of both families in `make long`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from benchmarks.mutations.__main__ import FAMILIES, MISSED, OF_BUNDLES, export, try_mutation
from benchmarks.mutations.catalogue import MUTATIONS
from inpaintrt.runtime import Bundle

NAMES = (*(mutation.name for mutation in MUTATIONS), *OF_BUNDLES)

QUICK = ("mask shifted by one pixel", "images of the batch swapped", "noise of 0.000001", "FP16 model that is FP32")
"""Tried in every run, of partial convolution; of gated convolution with `SAMPLE`."""

SAMPLE = (
    "a kernel times 1.001", "one number of an FP16 kernel times 1.02", "mask wider by one pixel",
    "one pixel off by 0.2", "one layer pads with its border", "rounded down", "engine file of another model",
    "model file cut off",
)  # fmt: skip
"""Tried in `make check`; all others in `make long`."""

Made = tuple[nn.Module, Bundle]


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    made: dict[str, Made] = {}

    def make(family: str) -> Made:
        if family not in made:
            network = FAMILIES[family]()
            made[family] = network, export(network, tmp_path_factory.mktemp("original") / "bundle")
        return made[family]

    return make


def tries() -> Iterator[Any]:
    for family in FAMILIES:
        for name in NAMES:
            first = name in QUICK and family == next(iter(FAMILIES))
            marks = () if first else pytest.mark.slow if name in QUICK + SAMPLE else pytest.mark.long
            yield pytest.param(family, name, marks=marks)


@pytest.mark.parametrize(("family", "name"), tuple(tries()))
def test_a_mutation_is_found(original: Callable[[str], Made], tmp_path: Path, family: str, name: str) -> None:
    network, bundle = original(family)
    assert try_mutation(name, bundle, network, tmp_path / "mutated") != MISSED


def test_there_are_at_least_forty() -> None:
    assert len(NAMES) >= 40
    assert len(set(NAMES)) == len(NAMES)
    assert set(QUICK + SAMPLE) <= set(NAMES)

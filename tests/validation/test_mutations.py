"""Wrong models are found: a few in every run, more in `make check`, and all of both families in `make long`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from benchmarks.mutations.__main__ import FAMILIES, MISSED, OF_BUNDLES, export, try_mutation
from benchmarks.mutations.catalogue import MUTATIONS
from inpaintrt.runtime import Bundle

NAMES = (*(mutation.name for mutation in MUTATIONS), *OF_BUNDLES)

QUICK = ("mask shifted by one pixel", "images of the batch swapped", "noise of 0.000001", "FP16 model that is FP32")

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


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES])
@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=() if f.startswith("p") else pytest.mark.long) for f in FAMILIES]
)
def test_a_mutation_is_found(original: Callable[[str], Made], tmp_path: Path, family: str, name: str) -> None:
    network, bundle = original(family)
    assert try_mutation(name, bundle, network, tmp_path / "mutated") != MISSED


def test_there_are_at_least_forty() -> None:
    assert len(NAMES) >= 40
    assert len(set(NAMES)) == len(NAMES)

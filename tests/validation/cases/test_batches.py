"""Which masks are tried at which size."""

import pytest

from inpaintrt.runtime.bundle import Profile
from inpaintrt.validation.cases.batches import EXTREME_CASES, INSIDE, QUICK_CASES, Batch, make_batches
from inpaintrt.validation.cases.images import ImageSource


def cases(profile: Profile, quick: bool = False) -> list[Batch]:
    return list(make_batches(profile, ImageSource(), 0, quick=quick))


def names(batches: list[Batch], size: str) -> list[str]:
    return [name.removesuffix(f" {size}") for batch in batches for name in batch.names if name.endswith(size)]


DYNAMIC = Profile((1, 1, 1), (32, 64, 128), (32, 64, 128))


def test_a_dynamic_network_is_tried_at_all_sizes_and_the_largest_once() -> None:
    batches = cases(DYNAMIC)
    best, smallest = names(batches, "64x64"), names(batches, "32x32")
    assert len(best) == 15
    assert not any(name.endswith(INSIDE) for name in best)
    assert len(smallest) == 9
    assert {name for name in smallest if not name.endswith(INSIDE)} == set(EXTREME_CASES)
    assert names(batches, "128x128") == names(batches, "32x128") == [EXTREME_CASES[0]]
    assert sum(batch.pixels for batch in batches) / 64**2 == 15 + 9 / 4 + 4 + 1


def test_quick_is_the_telling_part() -> None:
    quick, full = cases(DYNAMIC, quick=True), cases(DYNAMIC)
    assert names(quick, "64x64") == list(QUICK_CASES)
    assert names(quick, "32x32") == names(quick, "32x64") == [EXTREME_CASES[0]]
    assert all(batch.telling for batch in quick)
    assert {name for batch in full if batch.telling for name in batch.names if "64x64" in name} == {
        f"{name} 64x64" for name in QUICK_CASES
    }


@pytest.mark.parametrize("quick", [True, False])
def test_a_mask_is_the_same_whatever_others_are_wanted(quick: bool) -> None:
    of = {name: batch for batch in cases(DYNAMIC, quick) for name in batch.names}
    static = {name: batch for batch in cases(Profile((1, 1, 1), (64,) * 3, (64,) * 3)) for name in batch.names}
    shared = set(of) & set(static)
    assert len(shared) == (5 if quick else 15)
    assert all((of[name].hole == static[name].hole).all() for name in shared)

"""Windows: each hole pixel in one of them, with context, at little cost, whatever far-off holes are like."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inpaintrt.runtime.bundle import DeployedInterface, Profile
from inpaintrt.runtime.errors import ImageError, UsageError
from inpaintrt.runtime.window_sizes import Choice, Sizes, check_choice, parse_choice
from inpaintrt.runtime.windows import Plan, Window, plan_windows

LARGE = (256, 512, 4096)
"""Sizes of a network that takes images of 12 megapixels as a whole."""

STATIC = (512, 512, 512)


def network(
    rows: tuple[int, int, int], columns: tuple[int, int, int] | None = None, multiple: int = 8
) -> DeployedInterface:
    profile = Profile((1, 1, 4), rows, columns or rows)
    return DeployedInterface("image", multiple, profile, ("image", "mask"), ("composite",))


def windows(plan: Plan) -> Iterator[Window]:
    return (window for part in plan.rounds for window in part)


def cost(plan: Plan, shape: tuple[int, int], interface: DeployedInterface) -> int:
    sizes = Sizes.of(shape, interface, "auto")
    return sum(sizes.cost(window.area) for window in windows(plan))


def disc(shape: tuple[int, int], row: int, column: int, radius: int) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - row) ** 2 + (x - column) ** 2 < radius**2


def check_plan(plan: Plan, hole: np.ndarray, largest: tuple[int, int]) -> None:
    """What holds for every plan."""
    times = np.zeros(hole.shape, int)
    for window in windows(plan):
        times[window.core] += plan.filled_by(window, hole)
        own = np.zeros_like(hole)
        for rectangle in plan.rectangles(window):
            assert not own[rectangle].any()
            own[rectangle] = True
        assert (own[window.core] & hole[window.core] == plan.filled_by(window, hole)).all()
        for area, core, length, most in zip(window.area, window.core, hole.shape, largest, strict=True):
            assert 0 <= area.start < area.stop <= -(-length // window.scale)
            assert area.stop - area.start <= most
            assert area.start * window.scale <= core.start < core.stop <= area.stop * window.scale
    assert (times == hole).all()


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 300), width=st.integers(1, 300), rows=st.integers(4, 60), columns=st.integers(4, 60),
    seed=st.integers(0, 99), share=st.sampled_from([0.0005, 0.01, 0.3, 0.97, 1]), squares=st.integers(0, 6),
    window=st.sampled_from(["auto", "size"]),
)  # fmt: skip
def test_each_hole_pixel_is_filled_by_one_window(
    height: int, width: int, rows: int, columns: int, seed: int, share: float, squares: int, window: str
) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random((height, width)) < share
    for top, left, side in rng.integers(0, (height, width, max(height, width)), (squares, 3)).tolist():
        hole[top : top + side, left : left + side] = rng.random() < 0.7  # nested, touching, at the border
    hole[rng.integers(height), rng.integers(width)] = True
    interface = network((4, 4, rows), (4, 4, columns), multiple=1)
    choice: Choice = "auto" if window == "auto" else min(rows, columns)
    largest = (rows, columns) if window == "auto" else (min(rows, columns),) * 2
    check_plan(plan_windows(hole, interface, choice), hole, largest)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (700, 900)])
@pytest.mark.parametrize("sizes", [STATIC, LARGE])
def test_holes_at_corners_touching_nested_and_of_one_pixel(shape: tuple[int, int], sizes: tuple[int, int, int]) -> None:
    hole = np.zeros(shape, np.bool_)
    hole[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    check_plan(plan_windows(hole, network(sizes)), hole, (sizes[2], sizes[2]))
    ring = disc(shape, 350, 450, 300) & ~disc(shape, 350, 450, 280) | disc(shape, 350, 450, 5)
    ring[100:110, 100:110] = ring[110:120, 110:120] = True
    ring |= hole
    check_plan(plan_windows(ring, network(sizes)), ring, (sizes[2], sizes[2]))


def test_three_holes_in_12_megapixels_cost_a_twentieth() -> None:
    for round_ in range(2):
        rng = np.random.default_rng(round_)
        hole = np.zeros((3000, 4000), np.bool_)
        for number in range(3):  # 40,000 pixels each
            row, column = rng.integers(120, 2880), 700 + 1300 * number
            hole |= disc(hole.shape, row, column, 113)
        assert hole.mean() == pytest.approx(0.01, rel=0.02)
        plan = plan_windows(hole, network(LARGE))
        assert not plan.is_whole
        assert 20 * cost(plan, hole.shape, network(LARGE)) <= hole.size
        assert len({tuple(part.stop - part.start for part in window.area) for window in windows(plan)}) == 1  # a batch
        check_plan(plan, hole, (4096, 4096))


def test_windows_have_context_on_every_side() -> None:
    hole = disc((2000, 2000), 900, 1100, 60)
    (window,) = windows(plan_windows(hole, network(LARGE)))
    assert window.scale == 1
    for area, core in zip(window.area, window.core, strict=True):
        assert min(core.start - area.start, area.stop - core.stop) >= 64


def test_the_cheaper_of_windows_and_the_whole_image() -> None:
    hole = np.zeros((1000, 1000), np.bool_)
    hole[40::60, 40::60] = True
    assert plan_windows(hole, network(LARGE)).is_whole
    hole[:] = False
    hole[500, 500] = True
    plan = plan_windows(hole, network(LARGE))
    assert cost(plan, hole.shape, network(LARGE)) == 256 * 256
    assert plan_windows(hole, network(LARGE), "whole").is_whole
    assert not plan_windows(hole, network(LARGE), 512).is_whole
    assert plan_windows(hole[:512, :512] | True, network(LARGE), 512).is_whole


def test_near_holes_share_a_window_and_far_ones_do_not() -> None:
    hole = np.zeros((2000, 2000), np.bool_)
    hole[100:110, 100:110] = hole[100:110, 150:160] = hole[1800:1810, 1900:1910] = True
    assert len(list(windows(plan_windows(hole, network(LARGE))))) == 2


def test_far_off_holes_have_no_influence() -> None:
    one = disc((3000, 3000), 400, 500, 100) | disc((3000, 3000), 420, 700, 20)
    alone = plan_windows(one, network(STATIC))
    for row, column in ((2500, 200), (410, 2500), (60, 1800)):
        other = disc(one.shape, row, column, 50)
        both = plan_windows(one | other, network(STATIC))
        found = {str((w.area, w.core, w.scale)) for w in windows(both) if both.filled_by(w, one).any()}
        assert found == {str((w.area, w.core, w.scale)) for w in windows(alone)}


def test_a_wide_hole_is_one_window_at_a_smaller_scale() -> None:
    hole = disc((3000, 3000), 1500, 1500, 600)
    (window,) = windows(plan_windows(hole, network(STATIC)))
    assert window.scale == 4  # 1200 / 4 = 300, and a quarter of it on each side
    check_plan(plan_windows(hole, network(STATIC)), hole, (512, 512))


def test_a_long_scratch_is_filled_at_its_own_scale() -> None:
    hole = np.zeros((3000, 3000), np.bool_)
    for place in range(2900):
        hole[place : place + 12, place] = True
    plan = plan_windows(hole, network(STATIC))
    assert {window.scale for window in windows(plan)} == {1}
    assert len(plan.rounds) > 1  # neighbours take each other's holes for known
    check_plan(plan, hole, (512, 512))


def test_a_wide_band_is_not_reduced_to_nothing() -> None:
    hole = np.zeros((400, 9000), np.bool_)
    hole[100:300] = True
    plan = plan_windows(hole, network(STATIC))
    assert {window.scale for window in windows(plan)} == {
        3
    }  # 176 pixels of whole cells are no wider than the context, 64
    check_plan(plan, hole, (512, 512))


def test_a_scratch_on_a_wide_hole_keeps_its_scale() -> None:
    hole = disc((2000, 2000), 1000, 600, 400)
    hole[995:1005, 600:1990] = True
    plan = plan_windows(hole, network(STATIC))
    assert {window.scale for window in windows(plan)} == {1, 3}
    check_plan(plan, hole, (512, 512))


def test_what_no_network_takes_is_refused() -> None:
    assert [parse_choice(text) for text in ("auto", "whole", "300")] == ["auto", "whole", 300]
    with pytest.raises(UsageError, match="window is '-3'; expected auto, whole or a size in pixels"):
        parse_choice("-3")
    with pytest.raises(UsageError, match="window is 100, but the network takes 512 to 512 pixels"):
        check_choice(100, network(STATIC))
    with pytest.raises(ImageError, match="the image is 600 pixels high, but the network takes 512 as a whole"):
        plan_windows(np.ones((600, 300), np.bool_), network(STATIC), "whole")

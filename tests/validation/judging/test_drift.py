"""The clock of a search: when it is over, and how it says what remains."""

import pytest

from inpaintrt.validation.judging import drift
from inpaintrt.validation.judging.drift import Clock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds; the last entry counts."""
    times = [0.0]
    monkeypatch.setattr(drift.time, "monotonic", lambda: times[-1])
    return times


def test_it_says_the_seconds_that_remain_a_few_times_only(now: list[float]) -> None:
    said: list[tuple[str, float]] = []
    clock = Clock(1.0, lambda words, share: said.append((words, share)))
    over = []
    for second in range(0, 61):
        now.append(second)
        over.append(clock.is_over("searching"))
    assert over == [False] * 60 + [True]
    words = list(dict.fromkeys(words for words, _ in said))
    assert words[0] == "searching, at most 60 seconds more"
    assert words[-1] == "searching, at most 0 seconds more"
    assert len(words) == 6
    assert [share for _, share in said][::30] == [0.0, 0.5, 1.0]


def test_a_part_of_the_time_ends_earlier_and_another_search_says_its_own(now: list[float]) -> None:
    said: list[str] = []
    clock = Clock(1.0, lambda words, _: said.append(words))
    now.append(24.0)
    assert clock.is_over("first", 0.4)
    assert not clock.is_over("second")
    assert said == ["first, at most 0 seconds more", "second, at most 40 seconds more"]

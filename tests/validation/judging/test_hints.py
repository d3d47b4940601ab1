"""What the differences of a candidate look like is said only if it holds for most cases."""

from inpaintrt.validation.judging.checks import Check
from inpaintrt.validation.judging.corpus import _hints
from inpaintrt.validation.judging.findings import CandidateReport
from inpaintrt.validation.judging.metrics import NOTHING, CaseMetrics

FAILED = [Check("x", "fail")]


def hints(*resembles: str | None) -> list[str]:
    cases = [CaseMetrics(f"case {number}", relative_l2=0.1, resembles=words) for number, words in enumerate(resembles)]
    return _hints(CandidateReport("x", "fp32", None, None, cases=cases), FAILED)


def test_one_case_of_many_is_no_hint() -> None:
    assert hints("as if the mask were inverted", NOTHING, NOTHING, None) == []


def test_half_of_those_that_were_looked_at_is() -> None:
    assert hints(None, NOTHING, "looks mirrored", "looks mirrored", NOTHING) == [
        "looks mirrored (first in case 2, and in 1 more)"
    ]


def test_numbers_make_no_other_mistake() -> None:
    found = hints(
        "looks like 1.1 times the right values, plus -2e-05", "looks like 1.099 times the right values, plus 0"
    )
    assert found == ["looks like 1.1 times the right values, plus -2e-05 (first in case 0, and in 1 more)"]


def test_what_passed_has_none() -> None:
    assert _hints(CandidateReport("x", "fp32", None, None, cases=[CaseMetrics("y", resembles="z")]), []) == []

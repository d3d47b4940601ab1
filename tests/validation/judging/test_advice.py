"""A report that failed says what to do, by what failed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inpaintrt.validation.judging.advice import advise
from inpaintrt.validation.judging.checks import Check
from inpaintrt.validation.judging.findings import CandidateReport
from inpaintrt.validation.judging.provenance import BELONGS, ROUNDED, SHARE_TITLE


def candidate(precision: str, *failed: str, result: Any = "fail", judged: bool = True) -> CandidateReport:
    checks = [Check(name, "fail") for name in failed]
    return CandidateReport("name", precision, None, None, judged=judged, result=result, checks=checks)


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([candidate("fp32", result="pass"), candidate("fp16", result="not run")], []),
        ([candidate("fp32", result="pass"), candidate("fp16", judged=False)], []),
        ([candidate("fp32"), candidate("fp16", ROUNDED)], ["no matter of rounding"]),
        ([candidate("fp32", result="pass"), candidate("fp16", "PSNR")], ["places --suggest"]),
        ([candidate("fp32", result="pass"), candidate("fp16", ROUNDED)], ["is not what the export made"]),
        ([candidate("fp32", result="pass"), candidate("fp16", SHARE_TITLE)], ["is not what the export made"]),
        ([candidate("fp16", BELONGS)], ["build-engines places"]),
        ([candidate("fp16", "PSNR"), candidate("fp16", BELONGS)], ["places --suggest", "build-engines places"]),
    ],
)
def test_the_advice_is_for_what_failed(candidates: list[CandidateReport], words: list[str]) -> None:
    report: Any = SimpleNamespace(candidates=candidates, bundle=SimpleNamespace(path=Path("places")))
    found = advise(report)
    assert len(found) == len(words)
    assert all(part in line for part, line in zip(words, found, strict=True))

"""Shares and PSNR are of enough values; what is judged in every case is not thinned by others."""

from dataclasses import replace

from inpaintrt.validation.judging.checks import Check, judge
from inpaintrt.validation.judging.metrics import CaseMetrics
from inpaintrt.validation.judging.statistics import ENOUGH, everything, large_enough
from inpaintrt.validation.judging.tolerances import Tolerances


def case(name: str, values: int, off_by_one: int = 0, off_by_two: int = 0, levels: float = 0.1) -> CaseMetrics:
    """A case of FP16 with some values that are one and two levels off."""
    return CaseMetrics(
        name, relative_l2=1e-4, finite=True, mask_equal=True, known_equal=True, hole_values=values,
        max_difference=2 if off_by_two else min(off_by_one, 1), within_one=values - off_by_two,
        squared_error=float(off_by_one + 4 * off_by_two), difference_sum=off_by_one + 2 * off_by_two,
        perturbed_relative_l2=1e-3, perturbed_levels=levels, perturbed_squared_error=levels**2 * values,
    )  # fmt: skip


def failed(*cases: CaseMetrics) -> dict[str, Check]:
    checks = judge(cases, "fp16", Tolerances(), has_mask=True, cases=len(cases))
    return {check.name: check for check in checks if check.result == "fail"}


def test_one_pixel_does_not_decide() -> None:
    """Three values, two of them one level off, are 49.9 dB."""
    alone = case("one hole pixel", 3, off_by_one=2)
    others = case("ill-conditioned", 100_000, levels=50.0)
    assert not failed(alone, others)
    checks = {check.name: check for check in judge((alone, others), "fp16", Tolerances(), has_mask=True, cases=2)}
    assert checks["PSNR in holes, dB"].result == "not run"
    assert "have 3 hole values" in checks["PSNR in holes, dB"].reason
    assert checks["largest composite difference in holes, 1/255"].result == "pass"


def test_the_largest_difference_of_one_pixel_still_counts_and_names_its_case() -> None:
    check = failed(replace(case("one hole pixel", 3), max_difference=9), case("large", 100_000))
    assert "one hole pixel" in check["largest composite difference in holes, 1/255"].reason


def test_a_bad_large_case_is_not_thinned_by_good_ones() -> None:
    bad, good = case("bad", ENOUGH, off_by_two=10), case("good", 1_000_000)
    check = failed(bad, good)["share of hole values within 1/255"]
    assert check.reason == "worst in bad"


def test_small_cases_are_judged_together() -> None:
    small = [case(f"small {number}", ENOUGH // 10, off_by_two=number) for number in range(12)]
    check = failed(*small, case("good", 1_000_000))["share of hole values within 1/255"]
    assert check.reason == "worst in 12 cases together, most in small 11"
    assert [group.values for group in large_enough(small)] == [12 * (ENOUGH // 10)]
    assert large_enough(small[:5]) == []


def test_small_cases_that_are_not_enough_are_judged_with_the_smallest_large_one() -> None:
    """Five cases that one good large case would otherwise leave unjudged."""
    small = [case(f"small {number}", ENOUGH // 10, off_by_two=number) for number in range(5)]
    large = [case("larger", 1_000_000), case("large", ENOUGH)]
    check = failed(*small, *large)["share of hole values within 1/255"]
    assert check.reason == "worst in 6 cases together, most in small 4"
    assert [group.values for group in large_enough([*small, *large])] == [1_000_000, ENOUGH, ENOUGH + 5 * ENOUGH // 10]
    assert not failed(case("one hole pixel", 3, off_by_one=2), *large)


def test_a_mean_is_of_all_cases() -> None:
    """Rounding errors of one case can agree; those of all cases cancel."""
    shifted = case("one colour", ENOUGH, off_by_one=ENOUGH // 2)
    assert "mean composite difference in holes, 1/255" in failed(shifted)
    assert "mean composite difference in holes, 1/255" not in failed(shifted, case("others", 100 * ENOUGH))
    assert everything([]).values == 0


def test_fp16_cannot_be_judged_where_rounded_weights_change_everything() -> None:
    wild = replace(case("wild", 100_000, levels=200.0), perturbed_relative_l2=0.2, relative_l2=1.2)
    check = failed(wild)["cases in which FP16 can be judged"]
    assert "nobody can tell" in check.reason
    assert "wild" in check.reason


def test_fp32_may_be_as_far_from_fp64_as_pytorch_is() -> None:
    far = CaseMetrics(
        "far", relative_l2=2.2e-5, finite=True, mask_equal=True, known_equal=True, max_difference=0,
        truth_relative_l2=2e-5, torch_truth_relative_l2=9e-6,
    )  # fmt: skip
    near = CaseMetrics("near", relative_l2=1e-6, finite=True, mask_equal=True, known_equal=True, max_difference=0)

    def results(entry: CaseMetrics) -> dict[str, str]:
        checks = judge([entry, near], "fp32", Tolerances(), has_mask=True, cases=2)
        return {check.name: check.result for check in checks}

    title = "distance from FP64, times that of PyTorch FP32"
    assert results(far)[title] == "pass"
    assert results(replace(far, torch_truth_relative_l2=1e-7))[title] == "fail"
    assert results(replace(far, torch_truth_relative_l2=None))["relative L2 of output"] == "fail"
    assert title not in results(near)

"""The search for a quality number, on computed curves: how many probes, and what is said when there is none."""

import math
import statistics

import pytest

from stages.quality.target import Aim, TargetSettings, aim_of, target_problems
from stages.video.target_search import MOST_PROBES, Found, Numbers, expected, search

X264 = Numbers(1, 51, 0.1, 24.5)
SVTAV1 = Numbers(1, 63, 1, 40.0, 0.4)


def vmaf(target: float) -> Aim:
    found = aim_of(TargetSettings(target_vmaf=target))
    assert found is not None
    return found


def curve(middle: float, steep: float, ceiling: float = 100.0):
    """Falls from `ceiling` through its half at `middle`, as scores of footage do."""
    return lambda number: ceiling / (1 + math.exp(steep * (number - middle)))


def sought(aim: Aim, numbers: Numbers, measure, known=None, most: int = MOST_PROBES) -> tuple[Found, list[float]]:
    asked = []

    def counted(number: float) -> float:
        asked.append(number)
        return measure(number)

    return search(aim, numbers, counted, known or {}, most), asked


FOOTAGE = [(middle, steep) for middle in (30, 36, 42, 48) for steep in (0.12, 0.2, 0.3, 0.4)]


@pytest.mark.parametrize("target", [80, 93, 97])
def test_smooth_curves_are_met_in_three_probes_by_the_median_and_five_at_most(target):
    counts = []
    for middle, steep in FOOTAGE:
        measure = curve(middle, steep)
        found, asked = sought(vmaf(target), X264, measure)
        reachable = measure(X264.high) <= target <= measure(X264.low)
        if reachable:
            assert abs(measure(found.quality) - target) <= 0.5 and not found.verdict, (middle, steep)
            assert found.expected == measure(found.quality)
            counts.append(found.probes)
        else:
            assert found.verdict
        assert found.probes == len(asked) == len(set(asked)) <= MOST_PROBES
    assert len(counts) > 10 and statistics.median(counts) <= 3


def test_what_is_known_is_not_measured_again():
    aim, measure = vmaf(93), curve(40, 0.2)
    first, _ = sought(aim, X264, measure)
    again, asked = sought(aim, X264, measure, first.points)
    assert (again.quality, again.probes, asked) == (first.quality, 0, [])
    hardly = {number: 93.48 - (number - 20) * 2 for number in (16.0, 18.0, 20.0, 22.0, 24.0)}
    assert sought(aim, X264, measure, hardly)[1] == [], "within the tolerance after all the probes there may be"
    near, asked = sought(vmaf(90), X264, measure, first.points)
    assert abs(measure(near.quality) - 90) <= 0.5 and len(asked) <= 2


def test_a_picture_that_cannot_be_made_as_bad_gets_the_worst_number_and_a_sentence():
    found, _ = sought(vmaf(93), X264, lambda _number: 97.43)
    assert (found.quality, found.expected) == (51, 97.43)
    assert found.verdict == "is below what it gives at its worst, 51: VMAF 97.4"
    assert found.probes <= 3


def test_beyond_a_ceiling_the_cheapest_number_near_it_is_taken():
    measure = curve(45, 0.4, ceiling=97.4)
    found, _ = sought(vmaf(99), X264, measure)
    assert found.verdict == "cannot be reached: at its best, 1, the encoder gives VMAF 97.4"
    assert found.expected > 97.1 and found.quality > 10, "1 would cost many times as much for nothing"


def test_between_two_whole_numbers_the_nearer_is_taken_and_said():
    measure = curve(44.7, 0.5)
    found, asked = sought(vmaf(93), SVTAV1, measure)
    assert all(number == int(number) for number in asked)
    errors = {number: abs(measure(number) - 93) for number in range(1, 64)}
    assert found.quality == min(errors, key=errors.get)
    assert errors[found.quality] > 0.5 and "lies between two numbers of the encoder" in found.verdict


def test_a_curve_that_waves_is_bracketed_and_told():
    smooth = curve(40, 0.2)

    def waves(number: float) -> float:
        return smooth(number) + 1.5 * math.sin(number * 2.1)

    for target in (85, 90, 93):
        found, asked = sought(vmaf(target), X264, waves)
        errors = [abs(waves(number) - target) for number in asked]
        assert len(asked) <= MOST_PROBES and (found.verdict == "") == (min(errors) <= 0.5)
        if not found.verdict:
            assert abs(found.expected - target) == min(errors)
    risen, _ = sought(vmaf(93), X264, waves, {20.0: 90.0, 30.0: 94.8})
    assert risen.uneven
    assert not sought(vmaf(93), X264, smooth)[0].uneven


def test_few_probes_end_with_the_best_of_them():
    found, asked = sought(vmaf(93), X264, curve(60, 0.6), most=1)
    assert len(asked) == 1 and found.quality == asked[0]
    assert found.verdict == "was not met within 1 probes"


def test_when_probes_run_out_between_two_the_number_is_interpolated_and_said_to_be():
    measure = curve(40, 0.2)
    found, asked = sought(vmaf(93), X264, measure, {20.0: measure(20), 34.0: measure(34)}, most=0)
    assert not asked and found.quality not in found.points and 20 < found.quality < 34
    assert found.verdict == "was not met within 2 probes, and is interpolated between 20 and 34"
    assert found.expected == pytest.approx(measure(found.quality), abs=2) and abs(measure(found.quality) - 93) < 2


def test_the_expected_score_follows_the_points():
    aim, measure = vmaf(93), curve(40, 0.2)
    points = {20.0: measure(20), 24.0: measure(24)}
    assert expected(aim, X264, points, 22) == pytest.approx(measure(22), abs=0.3)
    assert expected(aim, X264, points, 20) == pytest.approx(measure(20))
    for score in (0.0, 50.0, 97.4, 100.0):
        assert aim.score(aim.odds(score)) == pytest.approx(score)


def test_one_target_at_most():
    ssim = aim_of(TargetSettings(target_ssim=0.98))
    low = aim_of(TargetSettings(target_vmaf_p1=88))
    assert ssim is not None and low is not None and aim_of(TargetSettings()) is None
    assert (ssim.figure, ssim.key, ssim.told(0.98)) == ("quality.ssim", "quality.target_ssim=0.98", "SSIM 0.9800")
    assert low.figure == "quality.vmaf_p1"
    both = list(target_problems(TargetSettings(target_vmaf=93, target_ssim=0.9), "quality"))
    assert [problem.key for problem in both] == ["quality.target_ssim"]
    assert not list(target_problems(TargetSettings(target_vmaf=93), "quality"))

"""Fronts, hypervolume, importance, and which trial is taken."""

import itertools
import random

import pytest

from runner.tune.importance import TOGETHER, importance
from runner.tune.pareto import front, hypervolume
from runner.tune.pick import judge, pick, spread_of
from runner.tune.space import Goal, Key, SearchSpace
from runner.tune.trials import Outcome, Trial

FPS, VMAF, SIZE = Goal("fps"), Goal("quality.vmaf_mean"), Goal("size.bytes", "min")
SPACE = SearchSpace(
    "t", "transcode", FPS, (Key("a", (1, 2, 3, 4), ordered=True), Key("b", ("x", "y"))), VMAF, floor=93.0
)  # fmt: skip


def test_the_front_leaves_out_what_is_beaten():
    rows = [
        {"fps": 10, "quality.vmaf_mean": 90},
        {"fps": 5, "quality.vmaf_mean": 95},
        {"fps": 5, "quality.vmaf_mean": 94},
        {"fps": 10, "quality.vmaf_mean": 90},
        {"fps": 9},
    ]
    assert front(rows, [FPS, VMAF]) == [0, 1]
    assert front([], [FPS, VMAF]) == []


def test_the_front_knows_goals_that_fall_and_more_than_two():
    rows = [{"fps": 10, "size.bytes": 9}, {"fps": 8, "size.bytes": 5}, {"fps": 7, "size.bytes": 6}]
    assert front(rows, [FPS, SIZE]) == [0, 1]
    three = [{**row, "quality.vmaf_mean": vmaf} for row, vmaf in zip(rows, (90, 91, 99), strict=True)]
    assert sorted(front(three, [FPS, SIZE, VMAF])) == [0, 1, 2]


def test_the_front_is_that_of_every_pair_compared():
    draw = random.Random(4)
    rows = [{"fps": draw.randint(0, 12), "quality.vmaf_mean": draw.randint(0, 12)} for _ in range(200)]
    pairs = {(r["fps"], r["quality.vmaf_mean"]) for r in rows}
    best = {p for p in pairs if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in pairs)}
    assert {(rows[n]["fps"], rows[n]["quality.vmaf_mean"]) for n in front(rows, [FPS, VMAF])} == best


def test_hypervolume_by_hand_and_by_counting_squares():
    rows = [{"fps": 4, "quality.vmaf_mean": 1}, {"fps": 2, "quality.vmaf_mean": 3}, {"fps": 1, "quality.vmaf_mean": 1}]
    assert hypervolume(rows, [FPS, VMAF], (0, 0)) == 4 + 2 * 2
    assert hypervolume(rows, [FPS, VMAF], (1, 2)) == 1
    assert hypervolume([], [FPS, VMAF], (0, 0)) == 0
    draw = random.Random(5)
    rows = [{"fps": draw.randint(0, 20), "size.bytes": draw.randint(0, 20)} for _ in range(12)]
    squares = sum(
        any(row["fps"] > x and row["size.bytes"] <= 19 - y for row in rows)
        for x, y in itertools.product(range(20), range(20))
    )
    assert hypervolume(rows, [FPS, SIZE], (0, 20)) == squares


def test_hypervolume_wants_two_metrics():
    with pytest.raises(ValueError, match="wants 2 metrics, not 3"):
        hypervolume([], [FPS, VMAF, SIZE], (0, 0, 0))


def trial(number, fps, vmaf=95.0, *, repeats=None, state="ok", rung=0, **more):
    figures = {"fps": fps, "quality.vmaf_mean": vmaf} | {name.replace("_", "."): value for name, value in more.items()}
    return Trial(number, SPACE.grid()[number], {rung: Outcome(state, figures, repeats=tuple(repeats or (fps,)))})


def test_the_floor_and_missing_figures_are_judged():
    assert judge(SPACE, {"fps": 1.0, "quality.vmaf_mean": 93.0}) == ("ok", "")
    assert judge(SPACE, {"fps": 1.0, "quality.vmaf_mean": 92.94}) == ("infeasible", "VMAF 92.94 is below 93")
    state, reason = judge(SPACE, {"fps": 1.0})
    assert state == "failed" and reason.startswith("quality.vmaf_mean was not measured; ")
    assert judge(SPACE, {"quality.vmaf_mean": 99.0})[0] == "failed"


def test_the_fastest_that_is_ok_is_taken():
    steady = [99.9, 100, 100.1]
    trials = [trial(0, 100, repeats=steady), trial(1, 300, 80, state="infeasible"), trial(2, 50, repeats=[50, 50, 50])]
    found = pick(trials, SPACE)
    assert found.trial.number == 0 and found.alike == ()
    assert "ahead by more than the spread" in found.sentence
    assert pick([trial(1, 300, 80, state="infeasible")], SPACE) is None and pick([], SPACE) is None


def test_what_cannot_be_told_apart_is_said():
    noisy = [
        trial(0, 100, repeats=[80, 100, 120]),
        trial(1, 97, repeats=[80, 97, 117]),
        trial(2, 30, repeats=[30, 31, 29]),
    ]
    found = pick(noisy, SPACE)
    assert found.trial.number == 0 and [t.number for t in found.alike] == [1]
    assert "cannot be told from trial 1" in found.sentence
    once = pick([trial(0, 100), trial(1, 50)], SPACE)
    assert "timed once" in once.sentence


def test_of_equals_the_smaller_and_then_the_simpler():
    sized = [trial(0, 100, size_bytes=9e6), trial(1, 99.5, size_bytes=5e6), trial(2, 98, size_bytes=1e6)]
    assert pick(sized, SPACE).trial.number == 1, "2 % are more than a tie, whatever the size"
    assert pick([trial(3, 100.0), trial(1, 99.9)], SPACE).trial.number == 1


def test_only_the_largest_sample_decides():
    assert pick([trial(0, 200), trial(1, 90, rung=1), trial(2, 80, rung=1)], SPACE).trial.number == 1


def test_spread_is_that_of_the_median():
    draw = random.Random(1)
    medians = sorted(sorted(draw.gauss(100, 5) for _ in range(25))[12] for _ in range(4000))
    real = (medians[int(4000 * 0.841)] - medians[int(4000 * 0.159)]) / 2 / 100
    said = [spread_of([draw.gauss(100, 5) for _ in range(25)]) for _ in range(300)]
    assert sum(said) / len(said) == pytest.approx(real, rel=0.1)
    assert spread_of([1.0]) == spread_of([]) == float("inf")


def test_importance_shares_out_what_keys_do():
    def told(figure):
        return [Trial(n, p, {0: Outcome("ok", {"fps": figure(p.as_dict())})}) for n, p in enumerate(SPACE.grid())]

    strong = importance(told(lambda c: 10.0 * c["a"] + (1 if c["b"] == "x" else 0)), SPACE, "fps")
    assert next(iter(strong)) == "a" and strong["a"] > 0.9 and sum(strong.values()) == pytest.approx(1)
    crossed = importance(told(lambda c: (c["a"] - 2.5) * (1 if c["b"] == "x" else -1)), SPACE, "fps")
    assert crossed[TOGETHER] > 0.9, "neither key does anything alone"
    assert importance(told(lambda c: 1.0), SPACE, "fps") == importance([], SPACE, "fps") == {}


def test_importance_of_a_key_by_another_is_taken_within_it():
    keys = (Key("encoder", ("p", "q")), Key("preset", by="encoder", branches={"p": (1, 2), "q": (1, 2)}, ordered=True))
    space = SearchSpace("t", "transcode", FPS, keys)
    speed = {("p", 1): 10, ("p", 2): 8, ("q", 1): 2, ("q", 2): 1}
    trials = [
        Trial(n, p, {0: Outcome("ok", {"fps": float(speed[tuple(v for _, v in p.values)])})})
        for n, p in enumerate(space.grid())
    ]
    found = importance(trials, space, "fps")
    assert found["encoder"] > 0.8 and 0.02 < found["preset"] < 0.2

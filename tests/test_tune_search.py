"""Ask and tell: what is asked, when it ends, and how good the pick and the front are against the whole grid."""

import dataclasses
import random

import pytest
from tunetables import CONTENTS, CRF, PRESETS, Table

from runner.tune.pareto import front, hypervolume
from runner.tune.pick import pick
from runner.tune.search import Search
from runner.tune.sight import Sight, Tried
from runner.tune.space import SAMPLERS, Goal, Key, Samples, SearchSpace
from runner.tune.trials import TrialBook

FPS, VMAF = Goal("throughput.fps"), Goal("quality.vmaf_mean")
MONOTONE = {
    "encoder.preset": {"speed": "falls"},
    "encoder.quality": {"quality": "falls"},
    "encoder.threads": {"quality": "same"},
}


def space(numbers=4, every=2, threads=(1, 2), **changes):
    """Three encoders × presets × quality numbers × threads; as it stands, 48 points."""
    presets = {name: tuple(row[0] for row in rows)[::every] for name, rows in PRESETS.items()}
    crf = {
        name: tuple(round(low + (high - low) * n / (numbers - 1)) for n in range(numbers))
        for name, (low, high) in CRF.items()
    }
    keys = (
        Key("encoder", tuple(PRESETS)),
        Key("encoder.preset", by="encoder", branches=presets, ordered=True),
        Key("encoder.quality", by="encoder", branches=crf, ordered=True),
        Key("encoder.threads", threads, ordered=True),
    )
    return SearchSpace("t", "transcode", FPS, keys, VMAF, 93.0, monotone=MONOTONE, **changes)


def run(search, measure, most=10_000):
    """Ask and tell until the end, or `most` trials; the asks."""
    asks = []
    while len(asks) < most and (ask := search.ask()):
        search.tell(ask.number, "ok", measure(ask.point.as_dict()), rung=ask.rung)
        asks.append(ask)
    return asks


# --- against the whole grid -------------------------------------------------------------------


def area(rows, grid, floor):
    """Share of the grid's hypervolume over (no speed, floor)."""
    goals = [FPS, VMAF]
    return hypervolume(rows, goals, (0, floor)) / hypervolume(grid, goals, (0, floor))


def outcome(space, table, folder, seed):
    """(share of the grid's front above the floor, share of the whole front, pick's speed by the fastest's)."""
    search = Search(space, TrialBook(folder), seed=seed)
    run(search, table.measure)
    truth = [table.truth(point.as_dict()) for point in space.grid()]
    tried = [table.truth(trial.point.as_dict()) for trial in search.book.trials()]
    assert len(tried) == space.total <= 0.3 * space.size + 1
    found = pick(search.book.trials(), space)
    fastest = max(row[FPS.metric] for row in truth if row[VMAF.metric] >= space.floor)
    worst = min(row[VMAF.metric] for row in truth)
    speed = table.truth(found.trial.point.as_dict())[FPS.metric] / fastest if found else 0.0
    return area(tried, truth, space.floor), area(tried, truth, worst), speed


@pytest.mark.parametrize("content", sorted(CONTENTS))
def test_with_a_third_of_the_trials_the_grid_is_as_good_as_known(content, tmp_path, no_flush):
    """48 points, 15 trials, twenty seeds of table, noise and search: the front's area, the pick, in 95 of 100."""
    small = space()
    found = [outcome(small, Table(content, seed), tmp_path / str(seed), seed) for seed in range(20)]
    assert sum(kept >= 0.95 and speed >= 0.97 for kept, _, speed in found) >= 19, found
    assert sum(whole >= 0.95 for _, whole, _ in found) >= 19, found


@pytest.mark.proof
@pytest.mark.parametrize("content", sorted(CONTENTS))
@pytest.mark.parametrize(("numbers", "every", "threads"), [(4, 1, (1, 2)), (4, 1, (1, 2, 4)), (10, 1, (1, 2))])
def test_the_same_on_larger_grids(content, numbers, every, threads, tmp_path, no_flush):
    large = space(numbers, every, threads)
    found = [outcome(large, Table(content, seed), tmp_path / str(seed), seed) for seed in range(20)]
    assert sum(min(kept, whole) >= 0.95 and speed >= 0.97 for kept, whole, speed in found) >= 19, found


@pytest.fixture
def no_flush(monkeypatch):
    """Hundreds of searches at once need not survive a power cut."""
    monkeypatch.setattr("runner.tune.trials.os.fsync", lambda handle: None)


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_sampler_asks_twice_or_leaves_the_space(sampler, tmp_path):
    some = space()
    asks = run(Search(some, TrialBook(tmp_path), sampler=sampler), Table("mixed").measure)
    assert len(asks) == (some.size if sampler == "grid" else some.total)
    assert len({ask.point.digest for ask in asks}) == len(asks)
    assert {ask.point for ask in asks} <= set(some.grid())
    assert [ask.number for ask in asks] == list(range(len(asks)))


@pytest.mark.parametrize("sampler", ["model", "tpe", "nsga2", "random"])
def test_the_same_seed_asks_the_same_and_another_does_not(sampler, tmp_path):
    def points(name, seed):
        search = Search(space(), TrialBook(tmp_path / name), sampler=sampler, seed=seed)
        return [ask.point.digest for ask in run(search, Table("mixed", noise=0).measure, 12)]

    assert points("a", 1) == points("b", 1) != points("c", 2)


@pytest.mark.parametrize("sampler", ["model", "tpe"])
def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(sampler, tmp_path):
    measure = Table("mixed", noise=0).measure
    whole = run(Search(space(), TrialBook(tmp_path / "whole"), sampler=sampler), measure)
    parts = []
    for most in (1, 6, 3, 100):
        parts += run(Search(space(), TrialBook(tmp_path / "parts"), sampler=sampler), measure, most)
    assert parts == whole
    more = run(Search(space(), TrialBook(tmp_path / "parts"), sampler=sampler, total=20), measure)
    assert len(more) == 20 - len(whole) and not {a.point for a in more} & {a.point for a in whole}


@pytest.mark.parametrize("sampler", ["model", "tpe"])
def test_every_encoder_is_seen_before_any_is_preferred(sampler, tmp_path):
    for seed in range(5):
        search = Search(space(), TrialBook(tmp_path / str(seed)), sampler=sampler, seed=seed)
        assert {a.point.as_dict()["encoder"] for a in run(search, Table("easy").measure, 3)} == set(PRESETS)


def test_two_searches_share_what_is_to_be_done(tmp_path):
    one, two = (Search(space(), TrialBook(tmp_path), seed=3) for _ in range(2))
    table, asked = Table("mixed"), []
    while True:
        pair = [ask for ask in (one.ask(), two.ask()) if ask]
        asked += pair
        for ask in pair:
            assert not one.finished
            one.tell(ask.number, "ok", table.measure(ask.point.as_dict()))
        if not pair:
            break
    assert len({ask.point for ask in asked}) == len(asked) == space().total
    assert one.finished and two.finished


def test_what_others_hold_is_waited_for(tmp_path):
    one, two = (Search(space(), TrialBook(tmp_path), total=1) for _ in range(2))
    ask = one.ask()
    assert two.ask() is None and not two.finished
    one.tell(ask.number, "timeout", {}, reason="longer than 5 s")
    assert two.ask() is None and two.finished


def test_trials_of_another_space_do_not_count(tmp_path):
    book = TrialBook(tmp_path)
    run(Search(space(threads=(3, 5)), book), Table("mixed").measure, 4)
    asks = run(Search(space(), book), Table("mixed").measure)
    assert len(asks) == space().total and asks[0].number == 4


# --- floors -----------------------------------------------------------------------------------


def test_an_ok_below_the_floor_is_infeasible_and_one_without_figures_failed(tmp_path):
    search = Search(space(), TrialBook(tmp_path))
    told = [{"throughput.fps": 9.0, "quality.vmaf_mean": 92.0}, {"throughput.fps": 9.0}, {}]
    told += [{"throughput.fps": float("nan"), "quality.vmaf_mean": 99.0}]
    for figures in told:
        search.tell(search.ask().number, "ok", figures)
    assert [t.state for t in search.book.trials()] == ["infeasible", "failed", "failed", "failed"]
    assert search.book.trials()[0].outcomes[0].reason == "VMAF 92 is below 93"


def sight(tried, some=None):
    some = some or space()
    numbers = {point: number for number, point in enumerate(some.grid())}
    at = {numbers[some.point(dict(values))]: told for values, told in tried.items()}
    return Sight(some, at, total=some.total), some


def point_of(crf, threads, preset="ultrafast", encoder="x264"):
    names = ("encoder", "encoder.preset", "encoder.quality", "encoder.threads")
    return tuple(zip(names, (encoder, preset, crf, threads), strict=True))


def test_below_the_floor_higher_numbers_and_other_threads_are_ruled_out_and_nothing_else():
    low = Tried("infeasible", {"throughput.fps": 1.0, "quality.vmaf_mean": 90.0})
    seen, some = sight({point_of(22, 1): low})
    free = {some.grid()[n].values for n in seen.free()}
    gone = {p.values for p in some.grid()} - free
    assert gone == {point_of(crf, threads) for crf in (22, 28, 34) for threads in (1, 2)}


def test_a_near_miss_says_nothing_of_other_threads():
    near = Tried("infeasible", {"throughput.fps": 1.0, "quality.vmaf_mean": 92.95})
    seen, some = sight({point_of(22, 1): near})
    gone = {p.values for p in some.grid()} - {some.grid()[n].values for n in seen.free()}
    assert gone == {point_of(22, 1), *(point_of(crf, threads) for crf in (28, 34) for threads in (1, 2))}


def test_out_of_memory_rules_out_nothing_by_quality():
    seen, some = sight({point_of(22, 1): Tried("infeasible")})
    assert len(seen.free()) == some.size - 1


def test_when_nothing_can_keep_the_floor_the_total_is_still_met_and_nothing_is_picked(tmp_path):
    some = dataclasses.replace(space(), floor=100.0)
    search = Search(some, TrialBook(tmp_path))
    assert len(run(search, Table("mixed").measure)) == some.total
    assert search.finished and pick(search.book.trials(), some) is None


def test_a_search_without_floor_or_quality_finds_the_fastest(tmp_path):
    for name, changes in {"floor": {"floor": None}, "quality": {"floor": None, "quality": None}}.items():
        some, table = dataclasses.replace(space(), **changes), Table("mixed")
        run(search := Search(some, TrialBook(tmp_path / name)), table.measure)
        fastest = max(table.truth(p.as_dict())[FPS.metric] for p in some.grid())
        assert table.truth(pick(search.book.trials(), some).trial.point.as_dict())[FPS.metric] > 0.97 * fastest


def test_less_can_be_better(tmp_path):
    table = Table("mixed")
    some = dataclasses.replace(space(), objective=Goal("wall_s", "min"))

    def measure(values):
        found = table.truth(values)
        return {"wall_s": 100 / found[FPS.metric], VMAF.metric: found[VMAF.metric]}

    run(search := Search(some, TrialBook(tmp_path)), measure)
    rows = [measure(p.as_dict()) for p in some.grid()]
    least = min(row["wall_s"] for row in rows if row[VMAF.metric] >= 93)
    assert pick(search.book.trials(), some).trial.figures["wall_s"] < 1.03 * least


@pytest.mark.parametrize("state", ["crashed", "timeout", "failed", "infeasible"])
@pytest.mark.parametrize("sampler", ["model", "tpe"])
def test_an_encoder_that_never_works_is_recorded_and_left_aside(sampler, state, tmp_path):
    search, table, asks = Search(space(), TrialBook(tmp_path), sampler=sampler), Table("easy"), []
    while ask := search.ask():
        asks.append(ask)
        works = ask.point.as_dict()["encoder"] != "x265"
        figures = table.measure(ask.point.as_dict()) if works else {}
        search.tell(ask.number, "ok" if works else state, figures, reason="" if works else "it died")
    broken = [t for t in search.book.trials() if t.point.as_dict()["encoder"] == "x265"]
    assert len(asks) == space().total and {t.state for t in broken} == {state}
    assert len(broken) <= (5 if sampler == "model" else space().total)
    assert pick(search.book.trials(), space()) is not None


# --- successive halving -----------------------------------------------------------------------


def halving(floor_at_two=None):
    def measure(values, rung):
        crf, threads = values["encoder.quality"], values["encoder.threads"]
        quality = 99 - crf / 10 - (floor_at_two or 0) * rung
        return {"throughput.fps": crf * 2.0 + threads, "quality.vmaf_mean": quality}

    return measure


def rungs(tmp_path, measure, samples, **more):
    some = space(samples=samples)
    search, asks = Search(some, TrialBook(tmp_path), **more), []
    while ask := search.ask():
        asks.append(ask)
        search.tell(ask.number, "ok", measure(ask.point.as_dict(), ask.rung), rung=ask.rung)
    assert search.finished
    return search, asks


def test_the_best_go_on_to_larger_samples_under_their_numbers(tmp_path):
    search, asks = rungs(tmp_path, halving(), Samples((4.0, 12.0, 36.0), (), 0.34))
    by_rung = [[a for a in asks if a.rung == rung] for rung in range(3)]
    assert [len(each) for each in by_rung] == [15, 6, 3], "the share of each rung, rounded up"
    first = sorted(search.book.trials(), key=lambda t: -t.outcomes[0].figures["throughput.fps"])
    assert [a.number for a in by_rung[1]] == [t.number for t in first[:6]]
    assert {a.number for a in by_rung[2]} <= {a.number for a in by_rung[1]}
    assert pick(search.book.trials(), search.space).trial.rung == 2
    assert len({a.point for a in asks}) == len(search.book.trials()) == 15, "a larger sample is no new trial"


def test_when_the_best_fail_on_the_larger_sample_the_next_are_tried(tmp_path):
    search, asks = rungs(tmp_path, halving(floor_at_two=3.0), Samples((4.0, 12.0), (), 0.1))
    second = [a for a in asks if a.rung == 1]
    assert len(second) > 2 and search.book.trials()[second[-1].number].state == "ok"
    assert all(search.book.trials()[a.number].state == "infeasible" for a in second[:-1])


def test_as_many_rungs_as_there_really_are(tmp_path):
    _, asks = rungs(tmp_path, halving(), Samples((4.0, 12.0), (), 0.34), rungs=1)
    assert {a.rung for a in asks} == {0}


def test_by_nsga2_the_front_goes_on_first(tmp_path):
    search, asks = rungs(tmp_path, halving(), Samples((4.0, 12.0), (), 0.2), sampler="nsga2")
    good = [t for t in search.book.trials() if t.outcomes[0].state == "ok"]
    ahead = {good[n].number for n in front([t.outcomes[0].figures for t in good], [FPS, VMAF])}
    second = [a.number for a in asks if a.rung == 1]
    assert set(second[: len(ahead)]) <= ahead


def test_a_grid_of_thousands_is_searched_in_seconds(tmp_path):
    wide = space(10, 1, tuple(range(1, 21)))
    table, draw = Table("mixed"), random.Random(1)
    points = draw.sample(range(wide.size), 80)
    tried = {n: Tried("ok", table.measure(wide.grid()[n].as_dict())) for n in points}
    from runner.tune.choose import next_point

    assert wide.size == 2400
    assert next_point(Sight(wide, tried, total=100), "model") not in points

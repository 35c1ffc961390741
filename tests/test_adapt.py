"""Worker counts follow the load, shares follow what is measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.schema import AdaptConfig
from runner.execute.adapt import Span, Thresholds, measured_shares, next_count

RULE = Thresholds()
percent = st.floats(0, 100)


@pytest.mark.parametrize(
    ("count", "cpu", "ram", "wanted"),
    [
        (4, 50, 50, 5),  # room for one more
        (4, 69.9, 79.9, 5),
        (4, 70, 50, 4),
        (4, 50, 80, 4),  # memory leaves no room
        (4, 80, 85, 4),
        (4, 95, 50, 3),
        (4, 90, 90, 4),
        (2, 99, 50, 2),  # a machine full of our own work is what we want
        (2, 99, 95, 1),  # but memory comes first
        (1, 99, 99, 1),  # never below one
        (8, 10, 10, 8),  # never above the top
        (9, 10, 10, 9),
        (4, 50, 95, 3),
    ],
)
def test_one_more_one_less_or_the_same(count, cpu, ram, wanted):
    now, why = next_count(count, Span(2, 8), cpu, ram, RULE)
    assert now == wanted
    assert bool(why) == (now != count)


def test_why_names_what_was_measured():
    assert next_count(4, Span(2, 8), 50.4, 30.6, RULE)[1] == "CPU at 50 %, memory at 31 %"
    assert next_count(4, Span(2, 8), 95, 30, RULE)[1] == "CPU at 95 %"
    assert next_count(4, Span(2, 8), 95, 99, RULE)[1] == "memory at 99 %"


def test_the_thresholds_are_those_of_the_config():
    config = AdaptConfig()
    assert Thresholds(config.cpu_low, config.cpu_high, config.ram_low, config.ram_high) == RULE
    assert (RULE.cpu_low, RULE.cpu_high, RULE.ram_low, RULE.ram_high) == (70, 90, 80, 90)


@given(st.integers(1, 64), st.integers(1, 32), st.integers(0, 32), percent, percent)
def test_a_step_is_one_and_stays_in_the_span(count, floor, more, cpu, ram):
    span = Span(floor, floor + more)
    now, why = next_count(count, span, cpu, ram, RULE)
    assert abs(now - count) <= 1
    assert now >= 1
    assert now <= max(count, span.high)
    assert now >= min(count, span.floor) or ram > RULE.ram_high
    assert bool(why) == (now != count)
    if now > count:
        assert cpu < RULE.cpu_low and ram < RULE.ram_low
    if now < count:
        assert cpu > RULE.cpu_high or ram > RULE.ram_high


@given(st.integers(1, 64), st.integers(1, 8), percent, percent)
def test_steady_load_comes_to_rest(count, floor, cpu, ram):
    span = Span(floor, 8)
    for _ in range(100):
        count, _ = next_count(count, span, cpu, ram, RULE)
    assert next_count(count, span, cpu, ram, RULE) == (count, "")


# --- shares ---------------------------------------------------------------------------------------

GIVEN = {"speak": 0.6, "encode": 0.4}


def test_shares_begin_as_given_until_enough_was_seen():
    assert measured_shares(GIVEN, {}, {}) == GIVEN
    assert measured_shares(GIVEN, {"speak": 1, "encode": 9}, {"speak": 100, "encode": 3}) == GIVEN


def test_shares_follow_the_cpu_that_an_item_takes():
    shares = measured_shares(GIVEN, {"speak": 10.0, "encode": 15.0}, {"speak": 10, "encode": 5})
    assert shares == {"speak": pytest.approx(0.25), "encode": pytest.approx(0.75)}


def test_stages_that_take_no_cpu_keep_what_was_given():
    assert measured_shares(GIVEN, {"speak": 0.0, "encode": 0.0}, {"speak": 9, "encode": 9}) == GIVEN
    assert measured_shares({}, {}, {}) == {}


names = st.sampled_from(["a", "b", "c"])


@given(
    st.dictionaries(names, st.floats(0, 1)), st.lists(st.floats(0, 1e6), min_size=3, max_size=3),
    st.lists(st.integers(0, 10**6), min_size=3, max_size=3),
)  # fmt: skip
def test_measured_shares_add_up_to_what_was_given(given_shares, cpu, done):
    spent, counts = dict(zip("abc", cpu, strict=True)), dict(zip("abc", done, strict=True))
    shares = measured_shares(given_shares, spent, counts)
    assert set(shares) == set(given_shares)
    assert all(share >= 0 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(sum(given_shares.values()), abs=1e-9)
    busy = [name for name in shares if spent[name] == 0 and shares != given_shares]
    assert all(shares[name] == 0 for name in busy)

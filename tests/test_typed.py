"""Plain values become frozen settings: types are checked, never bent in silence."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.typed import read_settings, typed_settings
from stages.settings import setting


@dataclass(frozen=True)
class Config:
    count: int = setting(1, "count", low=0, high=10)
    gain: float = setting(0.0, "gain", low=-50, high=50)
    on: bool = setting(False, "on")
    name: str = setting("x", "name")
    maybe: int | None = setting(None, "maybe", low=0)
    either: str | int = setting("", "either")
    pair: tuple[int, int] = setting((1, 2), "pair")
    many: list[str] = setting([], "many")
    table: dict[str, Any] = setting({}, "table")
    whatever: Any = setting(None, "anything")


def keys(**values):
    config, problems = read_settings(Config, values, "a.b")
    assert (config is None) == any("is not " in p.reason or "no setting" in p.reason for p in problems)
    return [p.key for p in problems]


def reason(**values):
    (problem,) = read_settings(Config, values, "a.b")[1]
    return problem.reason


@pytest.mark.parametrize(
    ("values", "field", "value"),
    [
        ({"count": 3}, "count", 3),
        ({"count": 3.0}, "count", 3),
        ({"gain": 3}, "gain", 3.0),
        ({"on": True}, "on", True),
        ({"name": 192}, "name", "192"),
        ({"name": 1.5}, "name", "1.5"),
        ({"maybe": None}, "maybe", None),
        ({"maybe": 4}, "maybe", 4),
        ({"either": 4}, "either", "4"),
        ({"pair": [3, 4]}, "pair", (3, 4)),
        ({"many": ["a"]}, "many", ["a"]),
        ({"table": {"a": 1}}, "table", {"a": 1}),
        ({"whatever": [1]}, "whatever", [1]),
    ],
)
def test_what_fits_is_taken(values, field, value):
    config = typed_settings(Config, values)
    assert getattr(config, field) == value
    assert type(getattr(config, field)) is type(value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": "3"}, "'3' is not a whole number"),
        ({"count": 1.5}, "1.5 is not a whole number"),
        ({"count": True}, "True is not a whole number"),
        ({"count": None}, "None is not a whole number"),
        ({"count": math.nan}, "nan is not a whole number"),
        ({"count": math.inf}, "inf is not a whole number"),
        ({"gain": "loud"}, "'loud' is not a number"),
        ({"gain": False}, "False is not a number"),
        ({"on": 1}, "1 is not true or false"),
        ({"on": "yes"}, "'yes' is not true or false"),
        ({"name": True}, "True is not a text"),
        ({"name": None}, "None is not a text"),
        ({"name": []}, "[] is not a text"),
        ({"maybe": "x"}, "'x' is not a whole number or nothing"),
        ({"pair": 3}, "3 is not a list"),
        ({"many": "a"}, "'a' is not a list"),
        ({"table": [1]}, "[1] is not a dict"),
    ],
)
def test_what_does_not_fit_is_told(values, said):
    assert reason(**values) == said


def test_an_unknown_name_gets_a_hint():
    (problem,) = read_settings(Config, {"cont": 1}, "a.b")[1]
    assert problem.sentence().startswith("a.b.cont: is no setting here (did you mean count?); use count, gain, on,")


def test_everything_wrong_is_told_at_once():
    assert sorted(keys(cont=1, count="x", on=3)) == ["a.b.cont", "a.b.count", "a.b.on"]
    assert sorted(keys(count=11, gain=-51, maybe=-1)) == ["a.b.count", "a.b.gain", "a.b.maybe"]


def test_a_value_out_of_range_still_gives_a_config():
    config, problems = read_settings(Config, {"count": 11}, "a")
    assert config.count == 11
    assert [p.sentence() for p in problems] == ["a.count: 11 is above 10; use 0 to 10"]


def test_without_a_key_the_name_stands_alone():
    assert [p.key for p in read_settings(Config, {"count": "x", "zzz": 1}, "")[1]] == ["zzz", "count"]


def test_building_for_a_worker_says_all_in_one_line():
    with pytest.raises(ValueError, match=r"count: 11 is above 10; use 0 to 10; gain: -99.0 is below -50"):
        typed_settings(Config, {"count": 11, "gain": -99})
    with pytest.raises(ValueError, match="name: None is not a text"):
        typed_settings(Config, {"name": None})


@given(st.integers() | st.floats() | st.booleans() | st.none() | st.text() | st.lists(st.integers()))
def test_no_value_at_all_is_a_crash_and_none_that_is_taken_has_another_type(value):
    for name, wanted in {"count": int, "gain": float, "on": bool, "name": str}.items():
        config, problems = read_settings(Config, {name: value}, "k")
        if config is None:
            assert problems
        else:
            assert type(getattr(config, name)) is wanted
            if wanted is not str and not problems:
                assert getattr(config, name) == value


def test_a_config_made_twice_shares_nothing():
    given_table = {"a": 1}
    config = typed_settings(Config, {"table": given_table})
    assert typed_settings(Config, {}).table == {}
    assert config.table == {"a": 1}

"""Settings that know their range: what is refused, with which words, and what goes into a cache key."""

import dataclasses
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.schema import Root
from stages.settings import (
    Problem,
    bits_per_second,
    nearest,
    output_settings,
    range_problems,
    rules_of,
    setting,
)


@dataclass(frozen=True)
class Inner:
    tile: int = setting(256, "tile", low=32)


@dataclass(frozen=True)
class Config:
    crf: int = setting(23, "quality", low=0, high=51)
    gain: float = setting(-16.0, "gain", low=-40, high=-5, unit="LUFS")
    least: int = setting(1, "no ceiling", low=1)
    most: float = setting(0.0, "no floor", high=2_000_000)
    codec: str = setting("aac", "codec", choices=("aac", "opus"))
    rate: str = setting("192k", "bitrate", bitrate=True, low=8_000, high=512_000)
    sharp: bool = setting(True, "a flag", low=5)
    maybe: int | None = setting(None, "nothing or a number", low=3)
    threads: int = setting(2, "threads", low=1, affects_output=False)
    names: dict = setting({}, "by name")
    inner: Inner = Inner()
    plain: str = "not made with setting"


def problems(**values):
    return list(range_problems(Config(**values), "encoder"))


def test_defaults_are_right():
    assert problems() == []


@given(st.integers(-1000, 1000))
def test_a_number_is_refused_exactly_outside_its_range(crf):
    assert bool(problems(crf=crf)) == (not 0 <= crf <= 51)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"crf": -1}, "encoder.crf: -1 is below 0; use 0 to 51"),
        ({"crf": 52}, "encoder.crf: 52 is above 51; use 0 to 51"),
        ({"gain": -3.5}, "encoder.gain: -3.5 LUFS is above -5 LUFS; use -40 to -5 LUFS"),
        ({"least": 0}, "encoder.least: 0 is below 1; use 1 or more"),
        ({"most": 2e7}, "encoder.most: 20000000.0 is above 2000000; use at most 2000000"),
        ({"maybe": 2}, "encoder.maybe: 2 is below 3; use 3 or more"),
        ({"codec": "acc"}, "encoder.codec: 'acc' is not one of its values (did you mean aac?); use aac, opus"),
        ({"codec": "zzz"}, "encoder.codec: 'zzz' is not one of its values; use aac, opus"),
        ({"rate": "much"}, "encoder.rate: 'much' is no bitrate; write it like 192k or 5M"),
        ({"rate": "4k"}, "encoder.rate: 4000 is below 8000; use 8000 to 512000"),
        ({"rate": "5M"}, "encoder.rate: 5000000 is above 512000; use 8000 to 512000"),
    ],
)
def test_each_refusal_names_key_reason_and_mend(values, sentence):
    assert [p.sentence() for p in problems(**values)] == [sentence]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["gain", "least", "most"])
def test_what_is_no_finite_number_is_refused(name, value):
    found = problems(**{name: value})
    assert [p.key for p in found] == [f"encoder.{name}"]


def test_every_problem_is_told_at_once():
    found = problems(crf=99, gain=0, codec="x", rate="x", least=0)
    assert {p.key for p in found} == {f"encoder.{name}" for name in ("crf", "gain", "codec", "rate", "least")}


@pytest.mark.parametrize("values", [{"maybe": None}, {"rate": ""}, {"sharp": False}, {"names": {"a": 9**9}}])
def test_none_empty_and_flags_have_no_range(values):
    assert problems(**values) == []


def test_without_a_prefix_the_key_is_the_field():
    assert [p.key for p in range_problems(Config(crf=99))] == ["crf"]


@given(st.integers(1, 10**6))
def test_bitrates_read_as_people_write_them(number):
    assert bits_per_second(f"{number}") == number
    assert bits_per_second(f" {number}k ") == bits_per_second(f"{number}K") == number * 1000
    assert bits_per_second(f"{number}M") == number * 1_000_000


def test_a_bitrate_may_have_a_fraction():
    assert bits_per_second("1.5M") == 1_500_000


@pytest.mark.parametrize("text", ["", "k", "192kb", "-192k", "1e5", "192 k", "0x10", "auto", "nan"])
def test_what_is_no_bitrate(text):
    with pytest.raises(ValueError, match="no bitrate"):
        bits_per_second(text)


def test_nearest_names_only_what_is_near():
    assert nearest("espaek", ["espeak", "edge"]) == " (did you mean espeak?)"
    assert nearest("qqq", ["espeak", "edge"]) == ""


def test_a_list_or_dict_default_is_not_shared():
    one, two = Config(), Config()
    one.names["a"] = 1
    assert two.names == {}


def test_output_settings_leave_out_what_changes_nothing():
    before, after = Config(), dataclasses.replace(Config(), threads=99)
    assert output_settings(before) == output_settings(after)
    assert "threads" not in output_settings(before)
    assert output_settings(Config())["plain"] == "not made with setting"
    assert output_settings(Config(inner=Inner(64)))["inner"] == {"tile": 64}


def test_a_problem_is_one_line():
    assert Problem("a.b", "is wrong", "mend it").sentence() == "a.b: is wrong; mend it"


def groups_of(config_class):
    yield config_class
    for f in dataclasses.fields(config_class):
        if f.default_factory is not dataclasses.MISSING and dataclasses.is_dataclass(f.default_factory):
            yield from groups_of(f.default_factory)


@pytest.mark.parametrize("group", list(groups_of(Root)), ids=lambda g: g.__name__)
def test_every_setting_of_the_schema_explains_itself_and_starts_legal(group):
    for name, rule in rules_of(group).items():
        assert rule.help, f"{group.__name__}.{name}"
        assert rule.low is None or rule.high is None or rule.low < rule.high
    assert list(range_problems(group())) == []

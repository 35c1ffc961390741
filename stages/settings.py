"""Settings of stages: one field helper, one problem type, one generic check.

A setting says by itself what values it takes, so that the command line can refuse
a bad one before any work, and tuning can search over a good one.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_META = "reeltune"
_BITRATE = re.compile(r"^(\d+(?:\.\d+)?)([kKmM]?)$")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was asked: the key (or file), why, and what mends it."""

    key: str
    reason: str
    mend: str

    def sentence(self) -> str:
        """The problem as one line for people."""
        return f"{self.key}: {self.reason}; {self.mend}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a setting may hold. `low` and `high` are inclusive, in `unit`."""

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    unit: str = ""
    affects_output: bool = True
    bitrate: bool = False
    search: tuple[Any, ...] = ()
    machine: str = ""


def setting(
    default: Any,
    help: str,  # noqa: A002 - the field's own word for it
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] = (),
    unit: str = "",
    affects_output: bool = True,
    bitrate: bool = False,
    search: Sequence[Any] = (),
    machine: str = "",
) -> Any:
    """A dataclass field that knows its range.

    Args:
        default: the value, or a list/dict (copied per instance).
        help: one line for `--help` and error messages.
        low: smallest legal number, inclusive.
        high: largest legal number, inclusive.
        choices: the legal values, where they can be counted.
        unit: unit of the number (`s`, `MB`, `LUFS`).
        affects_output: False for worker counts, timeouts, buffers: a change redoes nothing.
        bitrate: the value is a bitrate such as `192k` or `5M`.
        search: values that tuning may try.
        machine: name of what the machine has (`cores_physical`, `ram_mb`): while the setting is 0, the runner
            puts in what it plans with.
    """
    rule = Rule(help, low, high, tuple(choices), unit, affects_output, bitrate, tuple(search), machine)
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata={_META: rule})
    return field(default=default, metadata={_META: rule})


def rules_of(config_class: type[Any]) -> dict[str, Rule]:
    """Field name → rule, for every field made with `setting`."""
    return {f.name: f.metadata[_META] for f in dataclasses.fields(config_class) if _META in f.metadata}


def bits_per_second(text: str) -> int:
    """`192k` → 192000, `5M` → 5000000.

    Raises:
        ValueError: when the text is no bitrate.
    """
    match = _BITRATE.match(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no bitrate")
    return int(float(match[1]) * {"": 1, "k": 1000, "m": 1_000_000}[match[2].lower()])


def nearest(word: str, words: Sequence[str]) -> str:
    """` (did you mean X?)` when something near is known, else nothing."""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def range_problems(config: Any, prefix: str = "") -> Iterator[Problem]:
    """Every value of a settings dataclass that its rule refuses."""
    for name, rule in rules_of(type(config)).items():
        value = getattr(config, name)
        key = f"{prefix}.{name}" if prefix else name
        if value is not None:
            yield from _value_problems(key, value, rule)


def _value_problems(key: str, value: Any, rule: Rule) -> Iterator[Problem]:
    if rule.choices and value not in rule.choices:
        words = [str(c) for c in rule.choices]
        yield Problem(key, f"{value!r} is not one of its values{nearest(str(value), words)}", f"use {', '.join(words)}")
    elif rule.bitrate:
        yield from _bitrate_problems(key, value, rule)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_problems(key, value, rule)


def _bitrate_problems(key: str, value: Any, rule: Rule) -> Iterator[Problem]:
    if value == "":
        return
    try:
        number = bits_per_second(value)
    except ValueError:
        yield Problem(key, f"{value!r} is no bitrate", "write it like 192k or 5M")
        return
    yield from _number_problems(key, number, rule)


def _number_problems(key: str, value: float, rule: Rule) -> Iterator[Problem]:
    unit = f" {rule.unit}" if rule.unit else ""
    if not math.isfinite(value):
        yield Problem(key, f"{value} is no finite number", "give it a number")
    elif rule.low is not None and value < rule.low:
        yield Problem(key, f"{value}{unit} is below {_plain(rule.low)}{unit}", f"use {_span(rule)}{unit}")
    elif rule.high is not None and value > rule.high:
        yield Problem(key, f"{value}{unit} is above {_plain(rule.high)}{unit}", f"use {_span(rule)}{unit}")


def _plain(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else f"{number:.0f}"


def _span(rule: Rule) -> str:
    if rule.high is None:
        return f"{_plain(rule.low or 0)} or more"
    if rule.low is None:
        return f"at most {_plain(rule.high)}"
    return f"{_plain(rule.low)} to {_plain(rule.high)}"


def output_settings(config: Any) -> dict[str, Any]:
    """The settings that change what comes out: what a cache key is made of."""
    rules = rules_of(type(config))
    return {
        f.name: _jsonable(getattr(config, f.name))
        for f in dataclasses.fields(config)
        if f.name not in rules or rules[f.name].affects_output
    }


def _jsonable(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value

"""The keys of a search file: values, ranges, words for the machine, and keys that go by another."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.tune.declared import declared_keys, declared_of_encoder
from runner.tune.space import SAME, Key, Value
from stages.registry import UnknownTypeError
from stages.settings import Problem, nearest

DECLARED = "declared"
_WORD = re.compile(r"^(cores|threads)(?:\s*([/*])\s*(\d+))?$")
_MOST_VALUES = 1000  # of one key


@dataclass(frozen=True, slots=True)
class Sizes:
    """What words such as `cores` and `threads` stand for on this machine."""

    cores: int
    threads: int


@dataclass(slots=True)
class Reader:
    """Reads one file for one machine, and remembers what is wrong with it."""

    file: str
    sizes: Sizes
    stages: Mapping[str, Mapping[str, Any]]
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, key: str, reason: str, mend: str) -> None:
        """Remember one mistake: its key, why it is one, and what mends it."""
        self.problems.append(Problem(f"{self.file}: {key}", reason, mend))


def as_list(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty one, anything else as one of its own."""
    return value if isinstance(value, list) else [] if value is None else [value]


def is_whole(value: Any) -> bool:
    """Whether it is an integer, and not true or false."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_keys(reader: Reader, raw: Any, monotone: Mapping[str, Mapping[str, str]]) -> tuple[Key, ...]:
    """The keys under `space:`, in order; what is wrong with them is left with the reader."""
    if not isinstance(raw, dict) or not raw:
        reader.wrong("space", "names nothing to search", "add a line such as encoder: [x264, x265]")
        return ()
    found: dict[str, Key] = {}
    for name, given in raw.items():
        along = any(how != SAME for how in monotone.get(name, {}).values()) if name in monotone else False
        if isinstance(given, dict) and "by" in given:
            found[name] = _conditional(reader, name, given, found, along=along)
        else:
            values = _values(reader, name, given)
            found[name] = Key(name, values, ordered=along or _ordered(values))
    return tuple(found.values())


def _ordered(values: tuple[Value, ...]) -> bool:
    return all(is_number(value) for value in values)


def _conditional(reader: Reader, name: str, given: dict[str, Any], before: Mapping[str, Key], *, along: bool) -> Key:
    by = given["by"]
    if by not in before:
        reader.wrong(f"{name}.by", f"{by!r} is no key above it{nearest(str(by), list(before))}", "list that key first")
        return Key(name)
    parent = before[by]
    options = {*parent.values, *(value for values in parent.branches.values() for value in values)}
    branches: dict[Value, tuple[Value, ...]] = {}
    for option, values in given.items():
        if option == "by":
            continue
        if option not in options:
            words = sorted(str(value) for value in options)
            reader.wrong(
                f"{name}.{option}", f"is no value of {by}{nearest(str(option), words)}", f"use {', '.join(words)}"
            )
            continue
        branches[option] = _values(reader, f"{name}.{option}", values, of=(name, str(option)))
    ordered = along or all(_ordered(values) for values in branches.values())
    return Key(name, by=by, branches=branches, ordered=ordered)


def _values(reader: Reader, key: str, given: Any, of: tuple[str, str] | None = None) -> tuple[Value, ...]:
    """Values of a list, a range, or `declared`; none twice, numbers in order."""
    if given == DECLARED:
        given = _declared(reader, key, of)
    elif isinstance(given, dict):
        given = _range(reader, key, given)
    elif not isinstance(given, list):
        reader.wrong(
            key, f"{given!r} is neither values nor a range", "write [a, b], {low: 16, high: 34, step: 2} or declared"
        )
        return ()
    found = dict.fromkeys(_value(reader, key, value) for value in given)
    values = tuple(value for value in found if value is not None)
    if not values and not reader.problems:
        reader.wrong(key, "has no values", "name at least one")
    by_machine = any(isinstance(value, str) and _WORD.match(value) for value in given)
    return tuple(sorted(values, key=float)) if by_machine and _ordered(values) else values


def _declared(reader: Reader, key: str, of: tuple[str, str] | None) -> list[Value]:
    """What the encoder, or else a stage of the pipeline, says of itself."""
    if of and (values := declared_of_encoder(*of)):
        return list(values)
    try:
        declared = declared_keys(reader.stages)
    except UnknownTypeError as error:
        reader.wrong(key, f"nothing is declared: {error}", "correct the pipeline")
        return []
    if not (values := declared.get(of[0] if of else key, ())):
        known = ", ".join(sorted(declared)) or "nothing"
        reader.wrong(key, "is declared by no stage of the pipeline", f"list its values; stages declare {known}")
    return list(values)


def _value(reader: Reader, key: str, value: Any) -> Value | None:
    if isinstance(value, str) and (match := _WORD.match(value)):
        count = reader.sizes.cores if match[1] == "cores" else reader.sizes.threads
        by = int(match[3] or 1)
        return max(1, count * by if match[2] == "*" else count // max(1, by))
    if isinstance(value, str | bool) or is_number(value):
        found: Value = value
        return found
    reader.wrong(key, f"{value!r} is no value", "write a word, a number, true or false")
    return None


def _range(reader: Reader, key: str, given: dict[str, Any]) -> list[Value]:
    low, high, step = given.get("low"), given.get("high"), given.get("step", 1)
    if set(given) - {"low", "high", "step"} or not (is_number(low) and is_number(high) and is_number(step)):
        reader.wrong(key, f"{given!r} is no range", "write {low: 16, high: 34, step: 2}")
        return []
    assert isinstance(low, int | float) and isinstance(high, int | float)
    if step <= 0 or high < low or (high - low) / step >= _MOST_VALUES:
        reader.wrong(key, f"{low} to {high} by {step} is no range", f"low below high, 1 to {_MOST_VALUES} steps")
        return []
    count = int((high - low) / step + 1e-9) + 1
    return [
        low + number * step if is_whole(low) and is_whole(step) else round(low + number * step, 9)
        for number in range(count)
    ]

"""What a command line says of keys that a space searches: such words hold, and the search keeps to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from runner.tune.keys import is_number
from runner.tune.space import Key, SearchSpace, Value
from stages.settings import Problem


def narrowed(space: SearchSpace, words: Sequence[str]) -> tuple[SearchSpace, list[Problem]]:
    """The space at the values that words such as `encoder=x264` name, and what of them it does not have.

    Of a key that takes numbers it may be any number; of others one that the space names, since more hangs on those.
    """
    wanted = {key: value.strip("'\"") for key, _, value in (word.partition("=") for word in words)}
    kept = {key.name: _only(key, wanted[key.name]) if key.name in wanted else key for key in space.keys}
    problems = [
        Problem(key.name, f"{wanted[key.name]!r} is not searched by {space.name}", _mend(key))
        for key in space.keys
        if not (kept[key.name].values or kept[key.name].branches)
    ]
    if problems:
        return space, problems
    keys = [_possible(key, kept[key.name], space.keys, kept) for key in space.keys]
    return dataclasses.replace(space, keys=tuple(keys)), []


def _mend(key: Key) -> str:
    values = [*key.values, *(value for branch in key.branches.values() for value in branch)]
    named = ", ".join(dict.fromkeys(str(value) for value in values))
    return f"use {named}, or a space of your own (search=my.yaml)"


def _only(key: Key, word: str) -> Key:
    branches = {parent: _that(values, word) for parent, values in key.branches.items()}
    branches = {parent: values for parent, values in branches.items() if values}
    return dataclasses.replace(key, values=_that(key.values, word), branches=branches)


def _that(values: tuple[Value, ...], word: str) -> tuple[Value, ...]:
    if values and all(is_number(value) for value in values):
        number = _number(word)
        return () if number is None else (number,)
    return tuple(value for value in values if (str(value).lower() if isinstance(value, bool) else str(value)) == word)


def _number(word: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return None


def _possible(key: Key, now: Key, keys: Sequence[Key], kept: Mapping[str, Key]) -> Key:
    """Without values for which a key that goes by this one had some and has none left."""
    ruled = [other for other in keys if other.by == key.name]
    gone = {value for other in ruled for value in other.branches if value not in kept[other.name].branches}
    return dataclasses.replace(now, values=tuple(value for value in now.values if value not in gone))

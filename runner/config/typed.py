"""Plain values → a frozen settings dataclass, with types checked. Light: workers use it too."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from stages.settings import Problem, nearest, range_problems

T = TypeVar("T")


def typed_settings(config_class: type[T], values: Mapping[str, Any]) -> T:
    """Build settings.

    Raises:
        ValueError: with every problem in one line; callers that want them apart use `read_settings`.
    """
    config, problems = read_settings(config_class, values, "")
    if config is None or problems:
        raise ValueError("; ".join(problem.sentence() for problem in problems))
    return config


def read_settings(config_class: type[T], values: Mapping[str, Any], key: str) -> tuple[T | None, list[Problem]]:
    """Build settings and list everything wrong with them; None when a type does not fit."""
    assert dataclasses.is_dataclass(config_class)
    prefix = f"{key}." if key else ""
    fields = {f.name: f for f in dataclasses.fields(config_class)}
    hints = typing.get_type_hints(config_class)
    problems = [
        Problem(f"{prefix}{name}", f"is no setting here{nearest(name, list(fields))}", f"use {', '.join(fields)}")
        for name in values
        if name not in fields
    ]
    taken: dict[str, Any] = {}
    for name in fields.keys() & values.keys():
        fitted, wanted = _fit(values[name], hints[name])
        if wanted:
            problems.append(Problem(f"{prefix}{name}", f"{values[name]!r} is not {wanted}", f"give it {wanted}"))
        else:
            taken[name] = fitted
    if problems:
        return None, problems
    config = config_class(**taken)
    return config, list(range_problems(config, key))


def _fit(value: Any, hint: Any) -> tuple[Any, str]:
    """The value as the hint wants it, and "" or what it should have been."""
    if hint is Any:
        return value, ""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        fits = [_fit(value, arg) for arg in args]
        return next((fit for fit in fits if not fit[1]), (value, " or ".join(fit[1] for fit in fits)))
    if hint is type(None):
        return value, "" if value is None else "nothing"
    plain = origin or hint
    if plain is bool:
        return value, "" if isinstance(value, bool) else "true or false"
    if plain in (int, float):
        return _fit_number(value, plain)
    if plain is str:
        return (
            (str(value), "")
            if isinstance(value, str | int | float) and not isinstance(value, bool)
            else (value, "a text")
        )
    if plain is tuple:
        return (tuple(value), "") if isinstance(value, list | tuple) else (value, "a list")
    return value, "" if isinstance(value, plain) else f"a {plain.__name__}"


def _fit_number(value: Any, kind: type) -> tuple[Any, str]:
    wanted = "a whole number" if kind is int else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value, wanted
    if kind is int and not float(value).is_integer():
        return value, wanted
    return kind(value), ""

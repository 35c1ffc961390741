"""The words of `reeltune tune`: those of the search itself, and those of every trial."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.tune.space import SAMPLERS
from stages.settings import Problem

_FLOOR = re.compile(r"^quality\.(\w+)=['\"]?(>=|<=|>|<)\s*(\d+(?:\.\d+)?|now)['\"]?$")
_SWITCH = {"on": True, "true": True, "off": False, "false": False}
_METRICS = {"vmaf": "vmaf_mean"}  # what people say → the metric's name


@dataclass(frozen=True, slots=True)
class Floor:
    """What is good enough.

    Attributes:
        metric: a metric.
        bound: its least value, or with `goal=min` its highest; None: what the settings reach as they are.
        goal: `max` or `min`.
    """

    metric: str
    bound: float | None
    goal: str = "max"


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What is searched for.

    Attributes:
        search: name of a search space, or the path of its YAML; "" for that of the pipeline's own name.
        floor: what is good enough; None as the space says.
        trials: trials in all; 0 as the space says.
        sampler: "" as the space says.
        seed: of the sampler.
        repeats: most times that a finalist is timed; 0 as the space says.
        timeout_s: longest time for one trial; 0: ten times the slowest so far, at least 10 minutes.
        sources: sweeps whose jobs count as trials: folders, or `all`.
        known: whether what was measured before counts; with False all is measured anew.
        name: of the profile; "" for `tuned_<hardware>_<pipeline>`.
        words: overrides that every trial has.
    """

    search: str = ""
    floor: Floor | None = None
    trials: int = 0
    sampler: str = ""
    seed: int = 0
    repeats: int = 0
    timeout_s: float = 0.0
    sources: tuple[str, ...] = ()
    known: bool = True
    name: str = ""
    words: tuple[str, ...] = field(default=())

    @property
    def as_good_as_now(self) -> bool:
        """Whether the floor is what the settings reach as they are."""
        return self.floor is not None and self.floor.bound is None


def read_request(overrides: Sequence[str]) -> tuple[TuneRequest, list[Problem]]:
    """Part the words of a command line; everything wrong with those of the search."""
    request, problems = TuneRequest(), list[Problem]()
    for word in overrides:
        key, _, value = word.partition("=")
        value = value.strip("'\"")
        taken, problem = _taken(request, word, key, value)
        if problem:
            problems.append(problem)
        elif taken is None:
            request = replace(request, words=(*request.words, word))
        else:
            request = taken
    return request, problems


def _taken(request: TuneRequest, word: str, key: str, value: str) -> tuple[TuneRequest | None, Problem | None]:
    """The request with this word in it; (None, None) for a word that is not the search's."""
    if key in _READERS:
        read, problem = _READERS[key](key, value)
        field_name = "sources" if key == "from" else key
        return (None, problem) if problem else (replace(request, **{field_name: read}), None)
    if key.startswith("quality.") and re.search(r"=['\"]?[<>]", word):
        return _floored(request, word, key)
    return None, None


def _whole(key: str, value: str) -> tuple[int, Problem | None]:
    if value.isdigit():
        return int(value), None
    return 0, Problem(key, f"{value!r} is no whole number", f"write {key}=40")


def _seconds(key: str, value: str) -> tuple[float, Problem | None]:
    try:
        return float(value), None
    except ValueError:
        return 0.0, Problem(key, f"{value!r} is no number of seconds", f"write {key}=600")


def _sampler(key: str, value: str) -> tuple[str, Problem | None]:
    known = value in SAMPLERS
    return value, None if known else Problem(key, f"{value!r} is no sampler", f"use {', '.join(SAMPLERS)}")


def _switch(key: str, value: str) -> tuple[bool, Problem | None]:
    if value in _SWITCH:
        return _SWITCH[value], None
    return True, Problem(key, f"{value!r} is neither on nor off", f"write {key}=off to measure all anew")


def _text(key: str, value: str) -> tuple[str, Problem | None]:  # noqa: ARG001 - as the others
    return value, None


def _list(key: str, value: str) -> tuple[tuple[str, ...], Problem | None]:  # noqa: ARG001 - as the others
    return tuple(part for part in value.split(",") if part), None


_READERS: dict[str, Callable[[str, str], tuple[Any, Problem | None]]] = {
    "trials": _whole, "seed": _whole, "repeats": _whole, "timeout_s": _seconds, "sampler": _sampler,
    "known": _switch, "search": _text, "name": _text, "from": _list,
}  # fmt: skip


def _floored(request: TuneRequest, word: str, key: str) -> tuple[TuneRequest | None, Problem | None]:
    match = _FLOOR.match(word)
    if match is None:
        return None, Problem(key, "is no bound that can be read", f"write it like {key}='>=95', or {key}='>=now'")
    name = _METRICS.get(match[1], match[1])
    bound, goal = None if match[3] == "now" else float(match[3]), "max" if match[2].startswith(">") else "min"
    return replace(request, floor=Floor(f"quality.{name}", bound, goal)), None

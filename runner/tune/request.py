"""The words of `reeltune tune`: those of the search itself, and those of every trial."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runner.tune.space import SAMPLERS
from stages.settings import Problem

_FLOOR = re.compile(r"^quality\.(\w+)=['\"]?(>=|<=|>|<)\s*(\d+(?:\.\d+)?)['\"]?$")
_METRICS = {"vmaf": "vmaf_mean"}  # what people say → the metric's name


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What is searched for.

    Attributes:
        search: name of a search space, or the path of its YAML; "" for that of the pipeline's own name.
        floor: (metric, least or highest value that is good enough), None as the space says.
        trials: trials in all; 0 as the space says.
        sampler: "" as the space says.
        seed: of the sampler.
        repeats: most times that a finalist is timed; 0 as the space says.
        timeout_s: longest time for one trial; 0: ten times the slowest so far, at least 10 minutes.
        sources: sweeps whose jobs count as trials: folders, or `all`.
        name: of the profile; "" for `tuned_<hardware>_<pipeline>`.
        words: overrides that every trial has.
    """

    search: str = ""
    floor: tuple[str, float] | None = None
    trials: int = 0
    sampler: str = ""
    seed: int = 0
    repeats: int = 0
    timeout_s: float = 0.0
    sources: tuple[str, ...] = ()
    name: str = ""
    words: tuple[str, ...] = field(default=())


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
    if key in ("trials", "seed", "repeats"):
        if not value.isdigit():
            return None, Problem(key, f"{value!r} is no whole number", f"write {key}=40")
        return replace(request, **{key: int(value)}), None  # type: ignore[arg-type]
    if key == "timeout_s":
        try:
            return replace(request, timeout_s=float(value)), None
        except ValueError:
            return None, Problem(key, f"{value!r} is no number of seconds", "write timeout_s=600")
    if key == "sampler" and value not in SAMPLERS:
        return None, Problem(key, f"{value!r} is no sampler", f"use {', '.join(SAMPLERS)}")
    if key in ("search", "sampler", "name"):
        return replace(request, **{key: value}), None  # type: ignore[arg-type]
    if key == "from":
        return replace(request, sources=tuple(part for part in value.split(",") if part)), None
    if key.startswith("quality.") and re.search(r"=['\"]?[<>]", word):
        return _floored(request, word, key)
    return None, None


def _floored(request: TuneRequest, word: str, key: str) -> tuple[TuneRequest | None, Problem | None]:
    match = _FLOOR.match(word)
    if match is None:
        return None, Problem(key, "is no bound that can be read", f"write it like {key}='>=95'")
    name = _METRICS.get(match[1], match[1])
    return replace(request, floor=(f"quality.{name}", float(match[3]))), None

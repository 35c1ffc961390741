"""What is searched: keys of the config and the values that each may take, as a finite grid of points."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from runner.config.arguments import quoted

Value = str | int | float | bool
SAMPLERS = ("model", "tpe", "nsga2", "grid", "random")
FALLS, RISES, SAME = "falls", "rises", "same"
SHARE, FEWEST = 0.30, 12  # of the grid's points, unless `trials` says how many
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = ("true", "false", "null", "none", "nan", "inf", "yes", "no", "on", "off")  # words with a meaning to Hydra


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric of `run.json`, and which way is better: `max` or `min`."""

    metric: str
    goal: str = "max"

    @property
    def sign(self) -> int:
        """1 when more is better, -1 when less is."""
        return 1 if self.goal == "max" else -1


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of every key, in the order of the space; a key that its parent's value has no use for is absent."""

    values: tuple[tuple[str, Value], ...]

    @property
    def digest(self) -> str:
        """Sixteen hex digits, the same for the same settings in any order, on any machine."""
        rows = sorted((key, _canonical(value)) for key, value in self.values)
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Value]:
        """Key → value."""
        return dict(self.values)


def _canonical(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the config.

    Attributes:
        name: such as `encoder.preset`.
        values: those it takes, when no other key has a say.
        by: the key that has: `branches` gives the values for each of its values; none named, none taken.
        ordered: the values have an order, and neighbours are alike.
    """

    name: str
    values: tuple[Value, ...] = ()
    by: str = ""
    branches: Mapping[Value, tuple[Value, ...]] = field(default_factory=dict)
    ordered: bool = False

    def values_at(self, chosen: Mapping[str, Value]) -> tuple[Value, ...]:
        """What it takes beside the values chosen for the keys before it; () when it has no part."""
        if not self.by:
            return self.values
        return self.branches.get(chosen[self.by], ()) if self.by in chosen else ()


@dataclass(frozen=True, slots=True)
class Repeats:
    """A timing is repeated until its spread (of the median) is small, `most` times at most."""

    most: int = 1
    spread: float = 0.05


@dataclass(frozen=True, slots=True)
class Samples:
    """Rungs of successive halving: how much of the input a trial takes; the best `keep` of each rung go on."""

    seconds: tuple[float, ...] = ()
    items: tuple[int, ...] = ()
    keep: float = 0.34

    @property
    def rungs(self) -> int:
        """How many; 1 when nothing is sampled."""
        return max(1, len(self.seconds), len(self.items))


@dataclass(frozen=True)
class SearchSpace:
    """A search as its YAML file says it, for one machine.

    Attributes:
        name: of its file.
        pipeline: what is tuned.
        objective: what is made best.
        quality: what must stay; None when the objective alone counts.
        floor: the least (`min`: the most) that `quality` may be; None for no bound.
        also: told and drawn.
        keys: in order; a key stands after the one it goes by.
        sampler: one of SAMPLERS.
        trials: how many; 0 for a share of the grid.
        monotone: key → {`quality` or `speed`: falls, rises or same} along the values as listed.
        words: overrides that every trial has, before those of the command line.
    """

    name: str
    pipeline: str
    objective: Goal
    keys: tuple[Key, ...]
    quality: Goal | None = None
    floor: float | None = None
    also: tuple[Goal, ...] = ()
    sampler: str = "model"
    trials: int = 0
    repeats: Repeats = Repeats()
    samples: Samples = Samples()
    monotone: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    @cached_property
    def _points(self) -> tuple[Point, ...]:
        return tuple(Point(tuple(chosen.items())) for chosen in self._below({}, 0))

    def _below(self, chosen: dict[str, Value], depth: int) -> Iterator[dict[str, Value]]:
        if depth == len(self.keys):
            yield chosen
            return
        key = self.keys[depth]
        values = key.values_at(chosen)
        for value in values:
            yield from self._below({**chosen, key.name: value}, depth + 1)
        if not values:
            yield from self._below(chosen, depth + 1)

    def grid(self) -> tuple[Point, ...]:
        """Every point, in an order that never changes: the last key runs fastest."""
        return self._points

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self._points)

    @property
    def total(self) -> int:
        """How many of them a search tries."""
        return min(self.size, self.trials or max(FEWEST, math.ceil(SHARE * self.size - 1e-9)))

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits of what is searched for: two searches with the same may share their trials."""
        goals = (self.pipeline, self.objective, self.quality, self.floor, self.samples)
        text = repr(goals) + repr(self.words or "") + "".join(point.digest for point in self._points)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def point(self, values: Mapping[str, Value]) -> Point:
        """The point with these values.

        Raises:
            ValueError: when the space has none.
        """
        digest = Point(tuple(values.items())).digest
        found = next((point for point in self._points if point.digest == digest), None)
        if found is None:
            said = ", ".join(f"{key}={value}" for key, value in values.items())
            raise ValueError(f"{self.name}: {said} is no point of the space; take values that conf/search names")
        return found


def overrides(point: Point) -> list[str]:
    """The point as words of the command line: groups (keys without a dot) first, since they bring defaults along."""
    pairs = sorted(point.values, key=lambda pair: "." in pair[0])
    return [f"{key}={_word(value)}" for key, value in pairs]


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(_canonical(value))
    return value if _PLAIN.fullmatch(value) and value.lower() not in _TAKEN else quoted(value)

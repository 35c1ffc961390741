"""What a search has seen of its grid: the ground on which the next point is chosen."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.tune.space import FALLS, SAME, Goal, Point, SearchSpace, Value

FAR = 0.0025  # of the floor: a quality that misses it by more misses it with other threads as well


@dataclass(frozen=True, slots=True)
class Tried:
    """How a point came out: `ok`, `infeasible`, or a failure. Figures may be empty."""

    state: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sight:
    """A grid and what is known of it.

    Attributes:
        space: what is searched.
        tried: number in the grid → how it came out.
        pending: numbers that somebody is trying.
        seed: of all that is drawn by lot.
        total: how many points the whole search may try.
    """

    space: SearchSpace
    tried: Mapping[int, Tried]
    pending: frozenset[int] = frozenset()
    seed: int = 0
    total: int = 0

    @property
    def count(self) -> int:
        """Points that are spoken for."""
        return len(self.tried) + len(self.pending)

    @property
    def lot(self) -> str:
        """A seed that is the same for the same state of the search, whoever looks at it."""
        return f"{self.seed}/{self.count}"

    @property
    def number(self) -> int:
        """The same as a whole number."""
        return random.Random(self.lot).getrandbits(32)  # noqa: S311 - no secret

    def untried(self) -> list[int]:
        """Points that nobody tried or tries, in the grid's order."""
        return [n for n in range(self.space.size) if n not in self.tried and n not in self.pending]

    def free(self) -> list[int]:
        """Those still worth trying; when none is, those that cannot reach the floor."""
        left = self.untried()
        out = self._ruled_out(left) if self.space.monotone and self.space.floor is not None else set()
        return [n for n in left if n not in out] or left

    def _ruled_out(self, left: Sequence[int]) -> set[int]:
        """Points whose quality can only be that of one below the floor, or less."""
        space, points = self.space, self.space.grid()
        assert space.quality is not None and space.floor is not None
        fallen = [(n, self._short(t.figures)) for n, t in self.tried.items() if self._short(t.figures) > 0]
        return {n for n in left if any(_worse(space, points[n], points[f], short) for f, short in fallen)}

    def _short(self, figures: Mapping[str, float]) -> float:
        """How much of the floor is missing, as a share of it; 0 or less when nothing is, or nothing was measured."""
        goal, floor = self.space.quality, self.space.floor
        if goal is None or floor is None or goal.metric not in figures:
            return 0.0
        return goal.sign * (floor - figures[goal.metric]) / (abs(floor) or 1.0)

    def measured(self, goal: Goal) -> dict[int, float]:
        """Number in the grid → figure, of those that have it."""
        return {n: t.figures[goal.metric] for n, t in self.tried.items() if goal.metric in t.figures}


def _worse(space: SearchSpace, point: Point, fallen: Point, short: float) -> bool:
    """Whether the quality of a point can only be that of one below the floor, or less."""
    chosen, other = point.as_dict(), fallen.as_dict()
    if chosen.keys() != other.keys():
        return False
    steps = 0
    for key in space.keys:
        if key.name not in chosen or chosen[key.name] == other[key.name]:
            continue
        how = space.monotone.get(key.name, {}).get("quality", "")
        if how == SAME:
            continue
        step = _step(key.values_at(chosen), chosen[key.name], other[key.name])
        if how == "" or (step > 0) != (how == FALLS):
            return False
        steps += 1
    return steps > 0 or short > FAR


def _step(values: Sequence[Value], to: Value, since: Value) -> int:
    return values.index(to) - values.index(since)

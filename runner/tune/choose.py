"""Which point to try next, by each sampler. A choice is a function of what was seen and the seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from runner.tune.ahead import most_gained
from runner.tune.begin import spread_out, startup
from runner.tune.sight import Sight

Choice = Callable[[Sight, list[int]], int]


def next_point(sight: Sight, sampler: str) -> int | None:
    """Number in the grid of the point to try; None when every point is spoken for."""
    free = sight.free()
    return _SAMPLERS[sampler](sight, free) if free else None


def _in_order(sight: Sight, free: list[int]) -> int:  # noqa: ARG001 - a grid leaves nothing out
    return sight.untried()[0]


def _by_lot(sight: Sight, free: list[int]) -> int:
    return random.Random(sight.lot).choice(free)  # noqa: S311 - no secret


def _by_model(sight: Sight, free: list[int]) -> int:
    if sight.count < startup(sight) or len(sight.measured(sight.space.objective)) < 3:
        return spread_out(sight, free)
    return most_gained(sight, free)


def _by_optuna(name: str) -> Choice:
    def choose(sight: Sight, free: list[int]) -> int:
        from runner.tune.optuna_choice import suggest

        return spread_out(sight, free) if sight.count < startup(sight) else suggest(sight, free, name)

    return choose


_SAMPLERS: dict[str, Choice] = {
    "model": _by_model,
    "tpe": _by_optuna("tpe"),
    "nsga2": _by_optuna("nsga2"),
    "grid": _in_order,
    "random": _by_lot,
}

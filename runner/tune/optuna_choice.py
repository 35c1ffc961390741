"""Optuna's samplers over our own state: its study lives in memory and is fed anew each time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.tune.sight import Sight, Tried
from runner.tune.space import Goal, Key, Point, SearchSpace, Value

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_TRIES = 32  # how often it may name a point that is taken
_FAILS = 1e6  # a constraint's violation when nothing was measured: out of memory


def suggest(sight: Sight, free: list[int], name: str) -> int:
    """The point that Optuna's sampler names, or the free one nearest to it, when that is taken again and again."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    goals = _goals(sight.space, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            directions=["maximize" if goal.sign > 0 else "minimize" for goal in goals], sampler=_sampler(sight, name)
        )
        _feed(study, sight, goals)
        return _untaken(study, sight, free)


def _goals(space: SearchSpace, name: str) -> list[Goal]:
    """TPE makes the objective best within the floor; NSGA-II the objective, the quality and the further metrics."""
    if name == "tpe" and (space.floor is not None or space.quality is None):
        return [space.objective]
    return [goal for goal in (space.objective, space.quality, *(space.also if name == "nsga2" else ())) if goal]


def _sampler(sight: Sight, name: str) -> Any:
    import random

    import optuna

    seed = random.Random(sight.lot).getrandbits(31)  # noqa: S311 - no secret
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=max(4, sight.total // 6), seed=seed)
    return optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, group=True, seed=seed)


def _untaken(study: Study, sight: Sight, free: list[int]) -> int:
    numbers = {point: number for number, point in enumerate(sight.space.grid())}
    wanted, named = set(free), numbers[_named(study.ask(), sight.space)]
    for _ in range(_TRIES):
        if named in wanted:
            return named
        named = numbers[_named(study.ask(), sight.space)]
    points = sight.space.grid()
    return min(free, key=lambda number: _apart(sight.space, points[number], points[named]))


def _named(trial: Trial, space: SearchSpace) -> Point:
    chosen: dict[str, Value] = {}
    for key in space.keys:
        if values := key.values_at(chosen):
            place = trial.suggest_int(_name(key, chosen), 0, len(values) - 1) if key.ordered else -1
            place = trial.suggest_categorical(_name(key, chosen), range(len(values))) if place < 0 else place
            chosen[key.name] = values[place]
    return Point(tuple(chosen.items()))


def _name(key: Key, chosen: Mapping[str, Value]) -> str:
    """Each branch is a parameter of its own: Optuna wants one range for one name."""
    return f"{key.name}@{chosen[key.by]}" if key.by else key.name


def _apart(space: SearchSpace, a: Point, b: Point) -> float:
    one, other = a.as_dict(), b.as_dict()
    return sum(_distance(key, one, other) for key in space.keys)


def _distance(key: Key, one: Mapping[str, Value], other: Mapping[str, Value]) -> float:
    values = key.values_at(one)
    if one.get(key.name) == other.get(key.name) and one.get(key.by) == other.get(key.by):
        return 0.0
    if not key.ordered or one.get(key.by) != other.get(key.by) or key.name not in one or key.name not in other:
        return 1.0
    return abs(values.index(one[key.name]) - values.index(other[key.name])) / len(values)


def _feed(study: Study, sight: Sight, goals: list[Goal]) -> None:
    points = sight.space.grid()
    for number, tried in sight.tried.items():
        if (told := _told(sight, points[number], tried, goals)) is not None:
            study.add_trial(told)


def _told(sight: Sight, point: Point, tried: Tried, goals: list[Goal]) -> FrozenTrial | None:
    """A trial as Optuna takes it. One without figures stands with the worst there are; a failure is left out."""
    import optuna

    if tried.state not in ("ok", "infeasible"):
        return None
    worst = {goal: min((goal.sign * v for v in sight.measured(goal).values()), default=0.0) for goal in goals}
    values = [tried.figures.get(goal.metric, goal.sign * worst[goal]) for goal in goals]
    params, distributions = _as_params(sight.space, point)
    return optuna.trial.create_trial(
        params=params, distributions=distributions, values=values, constraints={"floor": _short(sight, tried)}
    )  # fmt: skip


def _short(sight: Sight, tried: Tried) -> float:
    goal, floor = sight.space.quality, sight.space.floor
    if goal is None or floor is None or goal.metric not in tried.figures:
        return _FAILS if tried.state == "infeasible" else 0.0
    return goal.sign * (floor - tried.figures[goal.metric])


def _as_params(space: SearchSpace, point: Point) -> tuple[dict[str, int], dict[str, BaseDistribution]]:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    chosen = point.as_dict()
    params: dict[str, int] = {}
    distributions: dict[str, BaseDistribution] = {}
    for key in space.keys:
        if key.name in chosen:
            values, name = key.values_at(chosen), _name(key, chosen)
            params[name] = values.index(chosen[key.name])
            last = len(values) - 1
            distributions[name] = IntDistribution(0, last) if key.ordered else CategoricalDistribution(range(last + 1))
    return params, distributions

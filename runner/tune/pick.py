"""Which trial to take: the fastest that keeps the floor, and what is as fast as far as one can tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.record.measures import SIZE, name_of
from runner.tune.space import Goal, SearchSpace
from runner.tune.trials import Outcome, Trial

ONCE = 0.01  # share by which a single timing may be off, as far as one can tell
TIE = 0.01  # share within which the smaller result is worth more than the speed
_MEDIAN_OF = 1.2533  # standard error of a median over that of a mean, of normal figures


@dataclass(frozen=True, slots=True)
class Pick:
    """The trial to take.

    Attributes:
        trial: the one.
        alike: others whose objective cannot be told from its by their spreads.
        sentence: how sure that is, for people.
    """

    trial: Trial
    alike: tuple[Trial, ...]
    sentence: str


def judge(space: SearchSpace, figures: Mapping[str, float]) -> tuple[str, str]:
    """`ok`, `infeasible` or `failed`, and the reason: whether figures keep the floor and hold what is optimised."""
    goal, floor = space.quality, space.floor
    if space.objective.metric not in figures:
        return "failed", f"{space.objective.metric} was not measured; name in objective what the pipeline measures"
    if goal is None or floor is None:
        return "ok", ""
    if goal.metric not in figures:
        return "failed", f"{goal.metric} was not measured; name in quality what the pipeline measures, or floor: null"
    value = figures[goal.metric]
    if goal.sign * (value - floor) < 0:
        return "infeasible", f"{_called(goal)} {value:.4g} is {'below' if goal.sign > 0 else 'above'} {floor:g}"
    return "ok", ""


def _called(goal: Goal) -> str:
    """The metric by its plain name, `VMAF`; one without a family by its own."""
    return name_of(goal.metric) or goal.metric


def pick(trials: Sequence[Trial], space: SearchSpace) -> Pick | None:
    """The best objective (median) of the trials that are ok on the highest rung where any is; None when none is.

    Of those within a hundredth of the best that cannot be told from it, the smallest result is taken, then the
    simplest, which is the earliest in the grid. All that cannot be told from the one taken are named.
    """
    rung = max((t.rung for t in trials if t.state == "ok"), default=-1)
    good = [t for t in trials if t.state == "ok" and t.rung == rung]
    if not good:
        return None
    goal = space.objective
    best = max(good, key=lambda t: goal.sign * t.figures[goal.metric])
    order = {point.digest: number for number, point in enumerate(space.grid())}
    ties = [t for t in good if _alike(t, best, goal) and _apart(t, best, goal) <= TIE]
    taken = min(ties, key=lambda t: (t.figures.get(SIZE, 0.0), order.get(t.point.digest, len(order)), t.number))
    others = tuple(t for t in good if t is not taken and _alike(t, taken, goal))
    return Pick(taken, others, _sentence(taken, best, others, goal))


def _apart(one: Trial, other: Trial, goal: Goal) -> float:
    """By which share of the larger two figures differ."""
    a, b = one.figures[goal.metric], other.figures[goal.metric]
    return abs(a - b) / max(abs(a), abs(b), 1e-12)


def _alike(one: Trial, other: Trial, goal: Goal) -> bool:
    """Whether they differ by no more than two standard errors of their difference."""
    errors = [_error(trial.outcomes[trial.rung], trial.figures[goal.metric]) for trial in (one, other)]
    return abs(one.figures[goal.metric] - other.figures[goal.metric]) <= 2 * math.hypot(*errors)


def _error(outcome: Outcome, value: float) -> float:
    """Standard error of the median, in the figure's unit."""
    spread = spread_of(outcome.repeats)
    return abs(value) * (spread if math.isfinite(spread) else ONCE)


def spread_of(repeats: Sequence[float]) -> float:
    """How far timings lie apart: standard error of their median, as a share of it; infinite for fewer than two."""
    middle = abs(statistics.median(repeats)) if repeats else 0.0
    if len(repeats) < 2 or middle == 0:
        return math.inf
    return _MEDIAN_OF * float(statistics.stdev(repeats)) / math.sqrt(len(repeats)) / middle


def _sentence(taken: Trial, best: Trial, others: Sequence[Trial], goal: Goal) -> str:
    said = f"trial {taken.number}: {_called(goal)} {taken.figures[goal.metric]:.4g}"
    once = len(taken.outcomes[taken.rung].repeats) < 2
    if not others:
        return f"{said}, {'timed once, so that its spread is not known' if once else 'ahead by more than the spread'}"
    numbers = ", ".join(str(trial.number) for trial in others)
    why = "; it makes the smaller result or is the simpler" if best is not taken else ""
    how = "single timings" if once else "the spread of the timings"
    return f"{said}; by {how} it cannot be told from trial {numbers}{why}"

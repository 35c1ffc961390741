"""Fronts and hypervolume of trials over named metrics. A row that lacks a metric has no part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.tune.space import Goal

Row = Mapping[str, float]


def front(rows: Sequence[Row], goals: Sequence[Goal]) -> list[int]:
    """Numbers of the rows that no other row beats in every metric, best in the first one first.

    Of rows that are equal in all of them, the first stands for the others.
    """
    scored = {
        number: tuple(goal.sign * row[goal.metric] for goal in goals)
        for number, row in enumerate(rows)
        if all(goal.metric in row for goal in goals)
    }
    kept: dict[int, tuple[float, ...]] = {}
    for number in sorted(scored, key=lambda n: scored[n], reverse=True):  # what beats a row comes before it
        if not any(_covers(other, scored[number]) for other in kept.values()):
            kept[number] = scored[number]
    return list(kept)


def _covers(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True))


def hypervolume(rows: Sequence[Row], goals: Sequence[Goal], reference: Sequence[float]) -> float:
    """Exact area that the rows beat, down to the reference, which lies in the goals' own units.

    Raises:
        ValueError: when there are not two goals.
    """
    if len(goals) != 2 or len(reference) != 2:
        raise ValueError(f"hypervolume is an area: it wants 2 metrics, not {len(goals)}")
    zero = [goal.sign * value for goal, value in zip(goals, reference, strict=True)]
    area, height = 0.0, zero[1]
    for number in front(rows, goals):  # from the right: each step adds what lies above the one before
        x, y = (goal.sign * rows[number][goal.metric] for goal in goals)
        if x > zero[0] and y > height:
            area += (x - zero[0]) * (y - height)
            height = y
    return area

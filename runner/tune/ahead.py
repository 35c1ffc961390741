"""What the model expects of each point: speed gained above the floor, or area added to the front."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runner.tune.model import Kernel, predict
from runner.tune.sight import Sight
from runner.tune.space import SAME, Goal

if TYPE_CHECKING:
    from numpy import ndarray

TURNS = 3
_DRAWS = 128  # of the two figures, for the area that a point may add


def most_gained(sight: Sight, free: list[int]) -> int:
    """By turns: what may be the fastest that keeps the floor, what may widen the front there, and the front below."""
    import numpy as np

    whole = sight.count % TURNS == TURNS - 1
    rows = np.array(sight.untried() if whole else free)
    gain = _gain(sight, whole=whole) * _works(sight)
    return int(rows[int(np.argmax(gain[rows]))])


def _gain(sight: Sight, *, whole: bool) -> ndarray:
    goal, quality = sight.space.objective, sight.space.quality
    mean, deviation = _figure(sight, goal)
    if quality is None or len(sight.measured(quality)) < 3:
        return _improvement(mean, deviation, max(_scaled(sight, goal).values()))
    return _gain_at_quality(sight, (mean, deviation), _figure(sight, quality), whole=whole)


def _gain_at_quality(
    sight: Sight, speed: tuple[ndarray, ndarray], quality: tuple[ndarray, ndarray], *, whole: bool
) -> ndarray:
    import numpy as np

    space = sight.space
    assert space.quality is not None
    speeds, qualities = _scaled(sight, space.objective), _scaled(sight, space.quality)
    both = [n for n in speeds if n in qualities]
    bounded = space.floor is not None and not whole
    floor = space.quality.sign * (space.floor or 0.0) if bounded else min(qualities.values())
    good = [n for n in both if qualities[n] >= floor]
    chance: ndarray = _normal((quality[0] - floor) / quality[1])
    if space.floor is None:
        chance = np.ones(space.size)
    if not good:
        return chance
    if sight.count % TURNS == 0:
        likely: ndarray = _improvement(*speed, max(speeds[n] for n in good)) * chance
        return likely
    pairs = [(np.exp(speeds[n]) if _logs(sight, space.objective) else speeds[n], qualities[n]) for n in good]
    return _area(sight, pairs, floor, speed, quality)


def _area(
    sight: Sight,
    pairs: list[tuple[float, float]],
    floor: float,
    speed: tuple[ndarray, ndarray],
    quality: tuple[ndarray, ndarray],
) -> ndarray:
    """Mean area that each point adds to the front above (no speed, floor), over draws from both figures."""
    import numpy as np

    draw = np.random.default_rng(sight.number).standard_normal((2, _DRAWS, 1))
    x, y = speed[0] + speed[1] * draw[0], quality[0] + quality[1] * draw[1]
    x = np.exp(x) if _logs(sight, sight.space.objective) else x - min(0.0, *(a for a, _ in pairs))
    steps, height = [], floor
    for a, b in sorted(pairs, reverse=True):  # the front, fastest first
        if b > height:
            steps.append((a, height, b))
            height = b
    added = x * np.maximum(y - floor, 0)
    for a, low, high in steps:  # what the front has of it already
        added = added - np.minimum(x, a) * np.clip(np.minimum(y, high) - low, 0, None)
    found: ndarray = np.maximum(added, 0).mean(axis=0)
    return found


def _scaled(sight: Sight, goal: Goal) -> dict[int, float]:
    """Figures with more being better; logarithms where speeds multiply."""
    logs = _logs(sight, goal)
    return {n: goal.sign * (math.log(v) if logs else v) for n, v in sight.measured(goal).items()}


def _logs(sight: Sight, goal: Goal) -> bool:
    """Whether effects multiply: so it is with speeds and times, but not with qualities, which have a top."""
    return goal == sight.space.objective and min(sight.measured(goal).values(), default=0.0) > 0


def _figure(sight: Sight, goal: Goal) -> tuple[ndarray, ndarray]:
    import numpy as np

    known = _scaled(sight, goal)
    what = "speed" if goal == sight.space.objective else "quality"
    without = [key for key, says in sight.space.monotone.items() if says.get(what) == SAME]
    kernel = Kernel(sight.space, without)
    mean, deviation = predict(kernel, list(known), np.array(list(known.values())))
    if sight.pending:  # taken to come out as expected, so that two searches do not try neighbours
        rows = [*known, *sorted(sight.pending)]
        mean, deviation = predict(kernel, rows, np.array([*known.values(), *mean[sorted(sight.pending)]]))
    return mean, deviation


def _works(sight: Sight) -> ndarray:
    """Chance that a point runs at all, by where others failed."""
    import numpy as np

    rows = list(sight.tried)
    ran = np.array([1.0 if sight.tried[n].figures else 0.0 for n in rows])
    if ran.all():
        return np.ones(sight.space.size)
    mean, _ = predict(Kernel(sight.space), rows, ran)
    chance: ndarray = np.clip(mean, 0.02, 1.0)
    return chance


def _improvement(mean: ndarray, deviation: ndarray, best: float) -> ndarray:
    """Expected improvement (Jones, Schonlau, Welch: Efficient Global Optimization, 1998, eq. 15)."""
    import numpy as np

    ahead = (mean - best) / deviation
    density = np.exp(-0.5 * ahead**2) / np.sqrt(2 * np.pi)
    found: ndarray = deviation * (ahead * _normal(ahead) + density)
    return found


def _normal(x: ndarray) -> ndarray:
    from scipy.special import ndtr

    found: ndarray = ndtr(x)
    return found

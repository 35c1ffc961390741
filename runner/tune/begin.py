"""The first points of a search: spread over the space, every encoder seen, whatever they show."""

from __future__ import annotations

from runner.tune.model import Kernel, unknown
from runner.tune.sight import Sight

_LOT = 0.2  # how much chance has a say between points that would tell nearly as much


def startup(sight: Sight) -> int:
    """How many points are spread over the space before anything is concluded from them."""
    options = max((len(key.values) for key in sight.space.keys if not key.ordered and not key.by), default=1)
    return min(max(2 * options, 4), max(options, sight.total // 2))


def spread_out(sight: Sight, free: list[int]) -> int:
    """The point of which the tried ones tell least; words that no point has had yet go first."""
    import numpy as np

    left = unknown(Kernel(sight.space), sorted({*sight.tried, *sight.pending}))
    lots = np.random.default_rng(sight.number).random(len(left))
    return max(free, key=lambda n: (_new_words(sight, n), left[n] * (1 + _LOT * lots[n])))


def _new_words(sight: Sight, number: int) -> int:
    """How many words of the point no other has had."""
    points = sight.space.grid()
    had = {pair for other in (*sight.tried, *sight.pending) for pair in points[other].values}
    return sum(pair not in had for pair in points[number].values if isinstance(pair[1], str))

"""What a figure will be at points not tried yet: a Gaussian process whose kernel knows what the keys are.

Its kernel is that of an additive process of second order (Durrande, Ginsbourger, Roustant: Additive covariance kernels
for high-dimensional Gaussian process modeling, 2012; Duvenaud, Nickisch, Rasmussen: Additive Gaussian Processes, 2011):
each key has an effect of its own, each pair of keys one more. So one trial on four threads tells something of four
threads on every encoder. Optuna's Gaussian process takes no keys that hang on others, which encoders have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.tune.space import Key, SearchSpace, Value

if TYPE_CHECKING:
    from numpy import ndarray

_ALIKE = 0.5  # how much a key tells under one value of its parent about itself under another
_PAIRS = 0.3  # weight of effects of two keys at once
_LENGTH = 0.5  # of an ordered key's whole range: how far a trial tells of its neighbours
_NOISES = (1e-4, 1e-3, 1e-2, 5e-2)  # shares of the figures' variance, of which the likeliest is taken


class Kernel:
    """Covariance between points of a grid.

    Args:
        space: whose points.
        without: names of keys that have no effect on the figure.
    """

    def __init__(self, space: SearchSpace, without: Collection[str] = ()) -> None:
        self.size = space.size
        keys = [key for key in space.keys if key.name not in without]
        self._sides = [_Side(key, [point.as_dict() for point in space.grid()]) for key in keys]

    def across(self, rows: Sequence[int]) -> ndarray:
        """From some points to all of them, [rows, grid]."""
        import numpy as np

        if not self._sides:
            return np.ones((len(rows), self.size))
        effects = [side.effect(np.asarray(rows)) for side in self._sides]
        return self._summed(np.sum(effects, axis=0), np.sum(np.square(effects), axis=0))

    def spread(self) -> ndarray:
        """Variance of each point, [grid]."""
        import numpy as np

        effects = [side.own() for side in self._sides] or [np.zeros(self.size)]
        return self._summed(np.sum(effects, axis=0), np.sum(np.square(effects), axis=0))

    def _summed(self, total: ndarray, squares: ndarray) -> ndarray:
        """Effects of keys and, by Newton's identity, of pairs of keys."""
        count = max(1, len(self._sides))
        pairs = (total**2 - squares) / 2
        found: ndarray = 1.0 + total / count + _PAIRS * pairs / max(1, count * (count - 1) // 2)
        return found


class _Side:
    """One key as numbers: its place or its word at each point, and the value it goes by."""

    def __init__(self, key: Key, chosen: Sequence[Mapping[str, Value]]) -> None:
        import numpy as np

        self._ordered = key.ordered
        self._taking = np.array([key.name in each for each in chosen])
        self._parent = _numbered([each.get(key.by) for each in chosen])
        if key.ordered:
            self._what = np.array([_place(key, each) for each in chosen])
        else:
            self._what = _numbered([each.get(key.name) for each in chosen])

    def effect(self, rows: ndarray) -> ndarray:
        import numpy as np

        one, all_of_them = self._what[rows][:, None], self._what[None, :]
        if self._ordered:
            near = np.exp(-0.5 * ((one - all_of_them) / _LENGTH) ** 2)
            same = self._parent[rows][:, None] == self._parent[None, :]
            found = np.where(same, 1.0, _ALIKE) * (0.5 * near + 2.0 * (one - 0.5) * (all_of_them - 0.5))
        else:
            found = (one == all_of_them).astype(float)
        taking: ndarray = found * np.outer(self._taking[rows], self._taking)
        return taking

    def own(self) -> ndarray:
        """The effect of each point with itself."""
        found = 0.5 + 2.0 * (self._what - 0.5) ** 2 if self._ordered else 1.0
        own: ndarray = found * self._taking
        return own


def _numbered(words: Sequence[Value | None]) -> ndarray:
    import numpy as np

    numbers = {word: number for number, word in enumerate(dict.fromkeys(map(str, words)))}
    return np.array([numbers[str(word)] for word in words])


def _place(key: Key, chosen: Mapping[str, Value]) -> float:
    """Where the value stands among those the key may take: 0 for the first, 1 for the last."""
    if key.name not in chosen:
        return 0.5
    values = key.values_at(chosen)
    return values.index(chosen[key.name]) / (len(values) - 1) if len(values) > 1 else 0.5


def predict(kernel: Kernel, known: Sequence[int], figures: ndarray) -> tuple[ndarray, ndarray]:
    """Mean and standard deviation of a figure at every point of the grid.

    Args:
        kernel: of the grid.
        known: points that were measured, [m].
        figures: what was measured there, [m].
    """
    import numpy as np

    centre, scale = float(np.mean(figures)), float(np.std(figures)) or 1.0
    across, spread = kernel.across(known), kernel.spread()
    fits = [_fit(across, spread, np.asarray(known), (figures - centre) / scale, noise) for noise in _NOISES]
    _, mean, deviation = max(fits, key=lambda fit: fit[0])
    return centre + scale * mean, scale * deviation


def unknown(kernel: Kernel, known: Sequence[int]) -> ndarray:
    """Share-like variance that is left at each point of the grid when some points are known, whatever they say."""
    import numpy as np

    if not known:
        return kernel.spread()
    return _fit(kernel.across(known), kernel.spread(), np.asarray(known), np.ones(len(known)), 1e-2, scale=1.0)[2] ** 2


def _fit(
    across: ndarray, spread: ndarray, known: ndarray, y: ndarray, noise: float, scale: float | None = None
) -> tuple[float, ndarray, ndarray]:
    """Log likelihood, means and deviations (Rasmussen, Williams: Gaussian Processes for Machine Learning, alg. 2.1).

    The kernel's scale, when not given, is the one that is likeliest for these figures.
    """
    import numpy as np

    lower = np.linalg.cholesky(across[:, known] + noise * np.eye(len(known)))
    half = np.linalg.solve(lower, y)
    variance = scale or max(float(half @ half) / len(known), 1e-6)
    told = np.linalg.solve(lower, across)
    left = np.maximum(spread - np.sum(told**2, axis=0), 1e-9)
    likelihood = -0.5 * len(known) * np.log(variance) - float(np.sum(np.log(np.diag(lower))))
    return likelihood, told.T @ half, np.sqrt(variance * left)

"""How much each key has a say in a figure: shares of its variance over the whole grid.

First-order shares of a functional analysis of variance (Hutter, Hoos, Leyton-Brown: An Efficient Approach for Assessing
Hyperparameter Importance, 2014), taken exactly over the grid as the model predicts it from the trials. A key that goes
by another is judged within each value of that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.tune.model import Kernel, predict
from runner.tune.space import Key, SearchSpace
from runner.tune.trials import Trial

if TYPE_CHECKING:
    from numpy import ndarray

TOGETHER = "(together)"  # what keys do only in company
_FEWEST = 4  # trials that tell anything


def importance(trials: Sequence[Trial], space: SearchSpace, metric: str) -> dict[str, float]:
    """Key → share of the variance of a metric, largest first; `(together)` for what no single key explains.

    The shares add up to 1. Empty when fewer than four trials have the metric, or it is the same in all.
    """
    import numpy as np

    place = {point.digest: number for number, point in enumerate(space.grid())}
    known = {
        place[t.point.digest]: t.figures[metric] for t in trials if metric in t.figures and t.point.digest in place
    }
    if len(known) < _FEWEST or len(set(known.values())) < 2:
        return {}
    mean, _ = predict(Kernel(space), list(known), np.array(list(known.values())))
    whole = float(np.var(mean))
    shares = {key.name: _explained(space, key, mean) / whole for key in space.keys} if whole > 0 else {}
    shares[TOGETHER] = max(0.0, 1.0 - sum(shares.values()))
    total = sum(shares.values())
    return {name: share / total for name, share in sorted(shares.items(), key=lambda pair: -pair[1])}


def _explained(space: SearchSpace, key: Key, mean: ndarray) -> float:
    """Variance between the values of a key; of one that goes by another, within the other's values."""
    chosen = [point.as_dict() for point in space.grid()]
    parents = [str(each.get(key.by)) for each in chosen]
    own = [f"{parent}|{each.get(key.name)}" for parent, each in zip(parents, chosen, strict=True)]
    return _between(own, mean) - _between(parents, mean)


def _between(groups: Sequence[str], mean: ndarray) -> float:
    import numpy as np

    names, numbers = np.unique(np.array(groups), return_inverse=True)
    counts = np.bincount(numbers, minlength=len(names))
    means = np.bincount(numbers, weights=mean, minlength=len(names)) / counts
    return float(np.sum(counts * (means - np.mean(mean)) ** 2) / len(mean))

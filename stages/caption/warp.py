"""Dynamic time warping: which moment of one recording is which of another that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COARSEST = 1200  # rows that are compared with all columns; longer ones are first looked at from afar
_RADIUS = 24  # rows to each side of the coarser path


def warp_path(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.int_]:
    """For each row of `ours` (n × features) the first and last row of `theirs` that it belongs to (n × 2).

    Both columns never fall, and one row begins where the one before ends or next to it. Coarse to fine (Salvador &
    Chan, FastDTW): half the rows each time, then only near the coarser path.
    """
    import numpy as np

    if max(len(ours), len(theirs)) <= _COARSEST:
        low = np.zeros(len(ours), int)
        return _banded(ours, theirs, low, low + len(theirs))
    coarse = np.repeat(warp_path(_halved(ours), _halved(theirs)), 2, axis=0) * 2
    coarse = np.pad(coarse, ((0, max(0, len(ours) - len(coarse))), (0, 0)), mode="edge")[: len(ours)]
    low = np.clip(coarse[:, 0] - _RADIUS, 0, len(theirs) - 1)
    high = np.clip(coarse[:, 1] + _RADIUS + 2, 1, len(theirs))
    low[0], high[-1] = 0, len(theirs)
    return _banded(ours, theirs, low, high)


def _halved(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    even = rows[: len(rows) // 2 * 2]
    return np.asarray(even.reshape(-1, 2, rows.shape[1]).mean(axis=1), np.float32)


def _banded(
    ours: NDArray[np.float32], theirs: NDArray[np.float32], low: NDArray[np.int_], high: NDArray[np.int_]
) -> NDArray[np.int_]:
    """The cheapest way through the band [low, high) of each row, by steps right, down and both."""
    import numpy as np

    norms = (theirs**2).sum(axis=1)
    total = np.zeros(0)
    ways: list[NDArray[np.int8]] = []
    for row, vector in enumerate(ours):
        first, last = int(low[row]), int(high[row])
        gap = norms[first:last] - 2 * (theirs[first:last] @ vector) + vector @ vector
        cost = np.sqrt(np.maximum(gap, 0)).astype(float)
        above = _shifted(total, first - int(low[row - 1]), last - first) if row else None
        total, way = _row(cost, above)
        ways.append(way)
    return _walked_back(ways, low, int(high[-1]) - 1)


def _shifted(total: NDArray[np.float64], by: int, count: int) -> NDArray[np.float64]:
    """The totals of the row above, from one column before this row's first: `count + 1` of them."""
    import numpy as np

    padded = np.concatenate([[np.inf], total, np.full(by + count + 1, np.inf)])
    return np.asarray(padded[by : by + count + 1])


def _row(cost: NDArray[np.float64], above: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Totals of one row, and how each was come to: 0 from the left, 1 from above, 2 from both."""
    import numpy as np

    if above is None:
        return np.cumsum(cost), np.zeros(len(cost), np.int8)
    across, down = above[:-1] + cost, above[1:] + cost
    entered = np.minimum(across, down)
    run = np.cumsum(cost)
    total = run + np.minimum.accumulate(entered - run)
    came = np.where(total < entered, 0, np.where(across <= down, 2, 1)).astype(np.int8)
    return total, came


def _walked_back(ways: list[NDArray[np.int8]], low: NDArray[np.int_], column: int) -> NDArray[np.int_]:
    """First and last column of each row on the way back from the last corner."""
    import numpy as np

    row = len(ways) - 1
    ends = np.zeros((len(ways), 2), int)
    ends[row] = column
    while row > 0 or column > 0:
        step = int(ways[row][column - low[row]])
        row, column = row - (step > 0), column - (step != 1)
        if step:
            ends[row, 1] = column
        ends[row, 0] = column
    return ends

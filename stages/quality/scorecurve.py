"""Scores of a film as a line that can be drawn, however many frames there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.contract import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POINTS = 800  # along the axis: more than the picture is wide in pixels shows nothing more


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a line, and the lowest frame behind each; NaN parts stretches that were scored.

    `lone` tells that a stretch is a single frame, which no line can show.
    """

    x: Floats
    mean: Floats
    low: Floats
    lone: bool


def reduced(rows: Sequence[Mapping[str, Json]], name: str, timed: bool) -> Curve:
    """Scores as a line that can be drawn: stretches of many frames become their mean and their lowest.

    Args:
        rows: by frame; a step of more than one in `index` begins another stretch.
        name: `vmaf`, `ssim` or `psnr`.
        timed: whether `pts_s` or `index` is the axis.
    """
    import numpy as np

    index = np.array([row["index"] for row in rows])
    x = np.array([row["pts_s"] for row in rows]) if timed else index.astype(float)
    y = np.array([row[name] for row in rows], dtype=float)
    ends = [*(np.flatnonzero(np.diff(index) > 1) + 1), len(rows)]
    share = min(1.0, POINTS / len(rows))
    parts = [_stretch(x[a:b], y[a:b], share) for a, b in zip([0, *ends], ends, strict=False)]
    x, mean, low = (np.concatenate([part[place] for part in parts]) for place in range(3))
    return Curve(x, mean, low, min(np.diff([0, *ends])) == 1)


def _stretch(x: Floats, y: Floats, share: float) -> tuple[Floats, Floats, Floats]:
    """Times, means and minima of one stretch, and NaN behind them. A point alone is drawn as wide as its frames."""
    import numpy as np

    count = max(1, round(len(x) * share))
    starts = np.linspace(0, len(x), count, endpoint=False).astype(int)
    size = np.diff([*starts, len(x)])
    mean, low = np.add.reduceat(y, starts) / size, np.minimum.reduceat(y, starts)
    middle = np.add.reduceat(x, starts) / size
    if count == 1:
        middle, mean, low = x[[0, -1]], mean[[0, 0]], low[[0, 0]]
    gap = np.array([np.nan])
    return np.append(middle, gap), np.append(mean, gap), np.append(low, gap)

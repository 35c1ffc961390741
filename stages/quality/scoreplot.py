"""The picture of a film's scores: VMAF over time with what it is summed up to, SSIM and PSNR below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Json
from stages.media.pooling import PSNR_CAP

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_POINTS = 800  # along the axis: more than the picture is wide in pixels shows nothing more
_TITLE = 84  # characters that fit; the end of a long key tells more than its beginning
_DOTTED = 60  # so few frames that each gets a dot
_WIDTH, _DPI = 9.6, 100
_MAIN, _DARK, _LOW, _HARMONIC, _BAD = "#3b7ddd", "#344054", "#c0436d", "#d97706", "#b42318"
_NAMES = {"vmaf": "VMAF", "ssim": "SSIM", "psnr": "PSNR, dB"}
_FOOT = 0.5  # room below the panels, inches
_TOP = {"vmaf": 100.0, "ssim": 1.0}
_LEAST_SPAN = {"vmaf": 5.0, "ssim": 0.01, "psnr": 3.0}  # smaller differences are noise, and must not look large
_STYLE: Any = {"font.size": 9, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is written on the picture.

    Attributes:
        title: the item, the metric and the model.
        length: the whole film, in seconds, or in frames where it has no times.
        timed: whether rows have times of their own (`pts_s`); else their `index` is the axis.
        mark: where frames begin to be out of step; None when they are not.
        remark: a sentence below the title.
    """

    title: str
    length: float
    timed: bool = True
    mark: float | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a line, and the lowest frame behind each; NaN parts stretches that were scored.

    `lone` tells that a stretch is a single frame, which no line can show.
    """

    x: Floats
    mean: Floats
    low: Floats
    lone: bool


def load() -> None:
    """Import what draws, once, before it is needed."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def draw_scores(rows: Sequence[Mapping[str, Json]], sheet: Sheet, figures: Mapping[str, float], file: Path) -> None:
    """Write the picture as PNG.

    Args:
        rows: scores by frame as `scores.json` holds them, in order of index; gaps in the index stay blank.
        sheet: what is written on it.
        figures: `quality.…`, of which the harmonic mean is drawn.
        file: the PNG.
    """
    names = [name for name in _NAMES if rows and rows[0][name] is not None]
    if not names:
        draw_sentence(sheet.title, sheet.remark or "no frame was scored", file)
        return
    heights = [3.0, *[1.1] * (len(names) - 1)]
    with _figure(sum(heights) + _head(sheet) + _FOOT) as figure:
        grid = figure.subplots(len(names), 1, sharex=True, height_ratios=heights, squeeze=False)
        panels: list[Axes] = list(grid[:, 0])
        for axes, name in zip(panels, names, strict=True):
            _panel(axes, name, rows, sheet)
        _sums(panels[0], names[0], rows, figures)
        _finish(figure, panels, sheet)
        panels[-1].set_xlabel(_axis_name(len(rows), sheet.timed))
        figure.savefig(file, format="png")


def draw_sentence(title: str, sentence: str, file: Path) -> None:
    """Write a small picture that says why there is nothing to see."""
    with _figure(1.0) as figure:
        figure.text(0.012, 0.68, _short(title), fontsize=12, fontweight="bold", parse_math=False)
        figure.text(0.012, 0.54, _wrapped(sentence), va="top", color=_DARK, parse_math=False)
        figure.savefig(file, format="png")


@contextmanager
def _figure(height: float) -> Iterator[Figure]:
    """A figure with the house's look, `height` inches high; nothing global is left changed."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
        FigureCanvasAgg(figure)
        yield figure


def _panel(axes: Axes, name: str, rows: Sequence[Mapping[str, Json]], sheet: Sheet) -> None:
    curve = reduced(rows, name, sheet.timed)
    axes.fill_between(curve.x, curve.low, curve.mean, color=_MAIN, alpha=0.35, linewidth=0)
    dot = "." if curve.lone or len(rows) <= _DOTTED else ""
    axes.plot(curve.x, curve.mean, color=_MAIN, linewidth=1.1, marker=dot, markersize=4, clip_on=not dot)
    axes.set_ylabel(_NAMES[name])
    axes.set_ylim(*_limits(name, rows))
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.grid(alpha=0.3)
    if name == "psnr" and any(row["identical"] for row in rows):
        said = f"{PSNR_CAP:g} dB: identical, hence infinite"
        axes.text(1, 0.06, said, transform=axes.transAxes, ha="right", fontsize=8, color=_DARK)
    if sheet.mark is not None:
        axes.axvline(sheet.mark, color=_BAD, linewidth=1.3, linestyle=(0, (4, 2)))


def _limits(name: str, rows: Sequence[Mapping[str, Json]]) -> tuple[float, float]:
    """From below the worst frame to the best that can be, or, in dB, above the best frame."""
    values = [row[name] for row in rows]
    top = _TOP.get(name, max(values))
    room = max(top - min(values), _LEAST_SPAN[name])
    return top - 1.08 * room, top + 0.04 * room


def _sums(axes: Axes, name: str, rows: Sequence[Mapping[str, Json]], figures: Mapping[str, float]) -> None:
    """What the frames are summed up to, as lines with their figures."""
    import numpy as np

    values = [row[name] for row in rows]
    sums: dict[str, tuple[float, str, Any]] = {
        "mean": (figures["quality.vmaf_mean"] if name == "vmaf" else float(np.mean(values)), _DARK, "-")
    }
    if name == "vmaf" and "quality.vmaf_harmonic" in figures:
        sums["harmonic mean"] = (figures["quality.vmaf_harmonic"], _HARMONIC, (0, (5, 3)))
    sums["1 % low"] = (float(np.percentile(values, 1)), _LOW, (0, (1, 1.2)))
    places = 4 if name == "ssim" else 2
    for label, (value, color, line) in sums.items():
        axes.axhline(value, color=color, linewidth=1.2, linestyle=line, label=f"{label} {value:.{places}f}")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(sums), frameon=False, borderaxespad=0.2)


def _finish(figure: Figure, panels: Sequence[Axes], sheet: Sheet) -> None:
    """Title, remark, the axis of time over the whole film, and room for all of them."""
    height = figure.get_figheight()
    figure.text(0.012, 1 - 0.30 / height, _short(sheet.title), fontsize=12, fontweight="bold", parse_math=False)
    figure.text(0.012, 1 - 0.42 / height, _wrapped(sheet.remark), va="top", color=_BAD, parse_math=False)
    top, bottom = 1 - _head(sheet) / height, _FOOT / height
    figure.subplots_adjust(left=0.075, right=0.965, top=top, bottom=bottom, hspace=0.16)
    figure.align_ylabels(panels)
    last = panels[-1]
    last.set_xlim(0, sheet.length if sheet.length > 0 else 1)
    if sheet.timed:
        last.xaxis.set_major_locator(_clock_ticks(sheet.length))
        last.xaxis.set_major_formatter(lambda seconds, _place: clock(seconds, sheet.length))


def _head(sheet: Sheet) -> float:
    """Room above the panels, inches: title, remark, legend."""
    return 1.05 if sheet.remark else 0.7


def _axis_name(frames: int, timed: bool) -> str:
    name = "time" if timed else "frame"
    each = round(frames / _POINTS)
    return f"{name} · a point is the mean of {each} frames, its shade reaches to the lowest" if each > 1 else name


def _clock_ticks(length: float) -> Any:
    """Ticks at round numbers of seconds, minutes or hours: at most ten."""
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    steps = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    fitting = next((step for step in steps if length / step <= 10), 0)
    return MultipleLocator(fitting) if length > 60 and fitting else MaxNLocator(9, steps=[1, 2, 5, 10])


def clock(seconds: float, length: float) -> str:
    """A time on the axis of a film of `length` seconds: `4.5 s`, `1:05` or `1:02:30`."""
    if length <= 60:
        return f"{seconds:g} s"
    whole = round(seconds)
    minutes = f"{whole // 60 % 60}:{whole % 60:02}"
    return f"{whole // 3600}:{minutes:0>5}" if length >= 3600 else minutes


def _short(title: str) -> str:
    return title if len(title) <= _TITLE else f"…{title[1 - _TITLE :]}"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 132, max_lines=2, placeholder=" …"))


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
    share = min(1.0, _POINTS / len(rows))
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

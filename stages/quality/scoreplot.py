"""The picture of a film's scores: VMAF over time with what it is summed up to, SSIM and PSNR below.

Drawn from single lines and texts: a figure of matplotlib's Axes takes three times as long, which on a short film is a
noticeable part of the scoring.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Json
from stages.media.pooling import PSNR_CAP
from stages.quality.scorecurve import POINTS, reduced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Rows = Sequence[Mapping[str, Json]]

_WIDTH, _DPI = 9.6, 100
_LEFT, _RIGHT = 0.075, 0.965  # of the width
_FOOT, _GAP = 0.5, 0.17  # room below the panels and between them, inches
_MAIN, _DARK, _LOW, _HARMONIC, _BAD, _GRID = "#3b7ddd", "#344054", "#c0436d", "#d97706", "#b42318", "#e7e7e7"
_SUMS: dict[str, tuple[str, str, Any]] = {  # colour, sign before the words, line
    "mean": (_DARK, "━━", "-"),
    "harmonic mean": (_HARMONIC, "╍╍", (0, (5, 3))),
    "1 % low": (_LOW, "┉┉", (0, (1, 1.2))),
}
_NAMES = {"vmaf": "VMAF", "ssim": "SSIM", "psnr": "PSNR, dB"}
_TOP = {"vmaf": 100.0, "ssim": 1.0}
_LEAST_SPAN = {"vmaf": 5.0, "ssim": 0.01, "psnr": 3.0}  # smaller differences are noise, and must not look large
_TITLE = 84  # characters that fit; the end of a long key tells more than its beginning
_DOTTED = 60  # so few frames that each gets a dot


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


class Panel:
    """A part of the figure with scales of its own.

    Args:
        figure: what is drawn on.
        bottom: of the panel, as a part of the figure's height.
        top: likewise.
        end: the largest x; the smallest is 0.
        limits: smallest and largest y.
    """

    def __init__(self, figure: Figure, bottom: float, top: float, end: float, limits: tuple[float, float]) -> None:
        from matplotlib.transforms import Affine2D

        self.figure, self.bottom, self.top, self.end, self.limits = figure, bottom, top, end, limits
        low, high = limits
        scale = ((_RIGHT - _LEFT) / end, (top - bottom) / (high - low))
        placed = Affine2D().translate(0, -low).scale(*scale).translate(_LEFT, bottom)
        self.to_figure, self.to_pixels = placed, placed + figure.transFigure

    def line(self, x: Any, y: Any, **style: Any) -> None:
        """A line through points of the panel's scales."""
        from matplotlib.lines import Line2D

        self.figure.add_artist(Line2D(x, y, transform=self.to_pixels, **style))

    def shade(self, x: Any, low: Any, high: Any) -> None:
        """The surface between two lines; NaN parts it."""
        import numpy as np
        from matplotlib.collections import PolyCollection

        gaps = np.flatnonzero(np.isnan(x))
        parts = [slice(a, b) for a, b in zip([0, *(gaps[:-1] + 1)], gaps, strict=True)]
        shapes = [np.column_stack([np.r_[x[p], x[p][::-1]], np.r_[low[p], high[p][::-1]]]) for p in parts]
        self.figure.add_artist(PolyCollection(shapes, transform=self.to_pixels, color=_MAIN, alpha=0.35, linewidth=0))

    def text(self, x: float, y: float, said: str, **style: Any) -> None:
        """Words at a place of the panel: parts of its width and height."""
        across = _LEFT + x * (_RIGHT - _LEFT)
        self.figure.text(across, self.bottom + y * (self.top - self.bottom), said, parse_math=False, **style)

    def axes(self, name: str, across: Sequence[float]) -> None:
        """The two axes, the grid, and the numbers of the upright one; `across` are the places of the other's."""
        low, high = self.limits
        places = ticks(low, high, 7 if high and self.top - self.bottom > 0.3 else 3)
        for x in across:
            self.line([x, x], self.limits, color=_GRID, linewidth=0.8)
        for y in places:
            self.line([0, self.end], [y, y], color=_GRID, linewidth=0.8)
            self.text(-0.008, (y - low) / (high - low), numeral(y, places), ha="right", va="center")
        self.line([0, 0, self.end], [high, low, low], color="black", linewidth=0.8)
        self.text(-0.07, 0.5, name, rotation=90, ha="center", va="center")


def load() -> None:
    """Import what draws, once, before it is needed."""
    import matplotlib.backends.backend_agg
    import matplotlib.collections
    import matplotlib.figure
    import matplotlib.ticker  # noqa: F401


def draw_scores(rows: Rows, sheet: Sheet, figures: Mapping[str, float], file: Path) -> None:
    """Write the picture as PNG.

    Args:
        rows: scores by frame as `scores.json` holds them, in order of index; gaps in the index stay blank.
        sheet: what is written on it.
        figures: `quality.…`: mean and harmonic mean of VMAF as they are reported.
        file: the PNG.
    """
    names = [name for name in _NAMES if rows and rows[0][name] is not None]
    if not names:
        draw_sentence(sheet.title, sheet.remark or "no frame was scored", file)
        return
    heights = [2.7, *[1.0] * (len(names) - 1)]
    head = 1.05 if sheet.remark else 0.7
    whole = sum(heights) + _GAP * (len(names) - 1) + head + _FOOT
    end = sheet.length if sheet.length > 0 else 1.0
    across = _clock_ticks(end) if sheet.timed else ticks(0, end, 9)
    top = whole - head
    with _figure(whole) as figure:
        _titles(figure, sheet)
        for name, height in zip(names, heights, strict=True):
            panel = Panel(figure, (top - height) / whole, top / whole, end, _limits(name, rows))
            panel.axes(_NAMES[name], across)
            _draw(panel, name, rows, sheet)
            if name == names[0]:
                _draw_sums(panel, sums(rows, name, figures), 4 if name == "ssim" else 2)
            top -= height + _GAP
        _time_axis(figure, across, sheet, end, len(rows))
        _save(figure, file)


def draw_sentence(title: str, sentence: str, file: Path) -> None:
    """Write a small picture that says why there is nothing to see."""
    with _figure(1.0) as figure:
        figure.text(0.012, 0.68, _short(title), fontsize=12, fontweight="bold", parse_math=False)
        figure.text(0.012, 0.54, _wrapped(sentence), va="top", color=_DARK, parse_math=False)
        _save(figure, file)


@contextmanager
def _figure(height: float) -> Iterator[Figure]:
    """A figure `height` inches high; nothing global is left changed."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
        FigureCanvasAgg(figure)
        yield figure


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, format="png", pil_kwargs={"compress_level": 2})


def _draw(panel: Panel, name: str, rows: Rows, sheet: Sheet) -> None:
    curve = reduced(rows, name, sheet.timed)
    if len(curve.x) < len(rows):
        panel.shade(curve.x, curve.low, curve.mean)
    dot = "." if curve.lone or len(rows) <= _DOTTED else ""
    panel.line(curve.x, curve.mean, color=_MAIN, linewidth=1.1, marker=dot, markersize=4)
    if name == "psnr" and any(row["identical"] for row in rows):
        panel.text(1, 0.06, f"{PSNR_CAP:g} dB: identical, hence infinite", ha="right", fontsize=8, color=_DARK)
    if sheet.mark is not None:
        panel.line([sheet.mark] * 2, panel.limits, color=_BAD, linewidth=1.3, linestyle=(0, (4, 2)))


def _limits(name: str, rows: Rows) -> tuple[float, float]:
    """From below the worst frame to the best that can be, or, in dB, above the best frame."""
    values = [row[name] for row in rows]
    top = _TOP.get(name, max(values))
    room = max(top - min(values), _LEAST_SPAN[name])
    return top - 1.08 * room, top + 0.04 * room


def sums(rows: Rows, name: str, figures: Mapping[str, float]) -> dict[str, float]:
    """What the frames are summed up to, by name. Of VMAF the figures that are reported."""
    import numpy as np

    values = [row[name] for row in rows]
    low = float(np.percentile(values, 1))
    if name != "vmaf":
        return {"mean": float(np.mean(values)), "1 % low": low}
    return {"mean": figures["quality.vmaf_mean"], "harmonic mean": figures["quality.vmaf_harmonic"], "1 % low": low}


def _draw_sums(panel: Panel, values: Mapping[str, float], places: int) -> None:
    for number, (label, value) in enumerate(reversed(list(values.items()))):
        color, sign, line = _SUMS[label]
        panel.line([0, panel.end], [value, value], color=color, linewidth=1.2, linestyle=line)
        said, right = f"{sign} {label} {value:.{places}f}", (1, 0.84, 0.6)[number]
        panel.text(right, 1.02, said, ha="right", color=color)


def _titles(figure: Figure, sheet: Sheet) -> None:
    height = figure.get_figheight()
    figure.text(0.012, 1 - 0.30 / height, _short(sheet.title), fontsize=12, fontweight="bold", parse_math=False)
    figure.text(0.012, 1 - 0.42 / height, _wrapped(sheet.remark), va="top", color=_BAD, parse_math=False)


def _time_axis(figure: Figure, across: Sequence[float], sheet: Sheet, end: float, frames: int) -> None:
    """Numbers and name of the axis below all panels."""
    height = figure.get_figheight()
    name, each = "time" if sheet.timed else "frame", round(frames / POINTS)
    if each > 1:
        name += f" · a point is the mean of {each} frames, its shade reaches to the lowest"
    for place in across:
        said = clock(place, end) if sheet.timed else f"{place:g}"
        figure.text(_LEFT + place / end * (_RIGHT - _LEFT), (_FOOT - 0.07) / height, said, ha="center", va="top")
    figure.text((_LEFT + _RIGHT) / 2, 0.07 / height, name, ha="center", va="bottom")


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` + 1."""
    from matplotlib.ticker import MaxNLocator

    places = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high)
    slack = (high - low) * 1e-9
    return [float(place) for place in places if low - slack <= place <= high + slack]


def numeral(value: float, among: Sequence[float]) -> str:
    """A number with as many places as the steps of its axis have."""
    step = among[1] - among[0] if len(among) > 1 else 1.0
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def _clock_ticks(length: float) -> list[float]:
    """At most ten places at round numbers of seconds, minutes or hours."""
    steps = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step = next((step for step in steps if length / step <= 10), 0)
    if length <= 60 or not step:
        return ticks(0, length, 9)
    return [float(step * number) for number in range(int(length / step) + 1)]


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

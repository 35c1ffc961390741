"""The picture of a sweep: speed by setting, quality over speed with its Pareto front, size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.record.jobs import JobRow, short, varying

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPEED = ("throughput.x_realtime", "throughput.fps", "throughput.items_per_s")
QUALITY = (
    "quality.vmaf_mean",
    "quality.pesq",
    "quality.stoi",
    "quality.ssim",
    "quality.psnr",
    "quality.wer",
    "quality.der",
)
LOWER_IS_BETTER = ("quality.wer", "quality.der")
_COLORS = ("#3b7ddd", "#d97706", "#1a8f5a", "#a855c7", "#0e9aa7", "#c0436d", "#667085", "#b7791f")
_NAMES = {
    "throughput.items_per_s": "items per second",
    "throughput.x_realtime": "times real time",
    "throughput.fps": "frames per second",
    "size.bytes": "size, MB",
    "quality.vmaf_mean": "VMAF",
}
_LEAST_SPAN = {  # smaller differences are noise, and must not look large
    "quality.vmaf_mean": 2.0,
    "quality.pesq": 0.2,
    "quality.stoi": 0.02,
    "quality.ssim": 0.01,
    "quality.psnr": 1.0,
    "quality.wer": 0.02,
    "quality.der": 0.02,
}
_LABELLED = 24
Draw = Callable[[Any], None]


_NAMED = 12
_LEVELS = (14, -16, 34, -36, 54, -56)  # points above or below the mark


def present(rows: Sequence[JobRow], names: Sequence[str]) -> list[str]:
    """Those of the metrics that at least one job has."""
    return [name for name in names if any(name in row.metrics for row in rows)]


def title_of(metric: str) -> str:
    """A metric in words."""
    return _NAMES.get(metric, metric.partition(".")[2].upper().replace("_", " "))


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other beats in both coordinates (more is better), from left to right."""
    front: list[int] = []
    highest = float("-inf")
    for index in sorted(range(len(points)), key=lambda n: (-points[n][0], -points[n][1])):
        if points[index][1] > highest:
            front.append(index)
            highest = points[index][1]
    return front[::-1]


def draw_comparison(rows: Sequence[JobRow], file: Path, title: str) -> None:
    """Write the picture; jobs without figures are left out of it (the table has them)."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawn = [row for row in rows if row.metrics and row.status in ("ok", "partial")]
    panels = _panels(drawn) or [partial(_empty, text="no job of this sweep has figures")]
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    with mpl.rc_context(
        {
            "font.size": 10,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
        }
    ):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(6.4 * columns, 4.2 * lines + 0.5), layout=layout)
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=13, fontweight="bold")
        axes = figure.subplots(lines, columns, squeeze=False).flat
        for at, panel in zip(axes, [*panels, *[_nothing] * (lines * columns - len(panels))], strict=True):
            panel(at)
        figure.savefig(file, format="png", dpi=130)


def _panels(rows: Sequence[JobRow]) -> list[Draw]:
    """What there is to see: speed, then quality over speed for two measures, then size."""
    speeds, qualities = present(rows, SPEED), present(rows, QUALITY)
    panels: list[Draw] = [partial(_by_setting, rows=rows, metric=metric) for metric in speeds[-1:]]
    if speeds:
        panels += [partial(_trade, rows=rows, speed=speeds[-1], quality=quality) for quality in qualities[:2]]
    panels += [partial(_by_setting, rows=rows, metric=metric) for metric in present(rows, ["size.bytes"])]
    return panels


def _value(row: JobRow, metric: str) -> float:
    return row.metrics[metric] / (1e6 if metric == "size.bytes" else 1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _axis_and_group(rows: Sequence[JobRow]) -> tuple[str, str | None]:
    """The setting along the axis (numbers with most values first) and the one told by colour."""
    keys = varying(rows)
    numeric = {key: all(_is_number(row.settings.get(key, "")) for row in rows) for key in keys}
    count = {key: len({row.settings.get(key) for row in rows}) for key in keys}
    keys.sort(key=lambda key: (not numeric[key], -count[key]))
    return (keys[0] if keys else ""), (keys[1] if len(keys) > 1 else None)


def _by_setting(axes: Axes, *, rows: Sequence[JobRow], metric: str) -> None:
    """Lines over a swept number, bars over words; one colour per value of the second setting."""
    having = [row for row in rows if metric in row.metrics]
    axis, group = _axis_and_group(having)
    texts = list(dict.fromkeys(row.settings.get(axis, "") for row in having))
    numeric = bool(axis) and all(map(_is_number, texts))
    texts.sort(key=lambda text: float(text) if numeric else 0)
    groups = list(dict.fromkeys(row.settings.get(group or "", "") for row in having))
    for number, name in enumerate(groups):
        members = [row for row in having if row.settings.get(group or "", "") == name]
        heights = [_mean([_value(r, metric) for r in members if r.settings.get(axis, "") == text]) for text in texts]
        _series(axes, heights, number, len(groups), f"{short(group)}={name}" if group else "", as_line=numeric)
    axes.set_xticks(range(len(texts)), [t or "as it is" for t in texts], rotation=0 if len(texts) < 7 else 45)
    axes.set(title=title_of(metric), xlabel=axis, ylim=(0, 1.12 * max(_value(row, metric) for row in having) or 1))
    axes.grid(axis="y", alpha=0.3)
    if group:
        axes.legend(frameon=False, fontsize=9)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _series(axes: Axes, heights: Sequence[float], number: int, count: int, label: str, *, as_line: bool) -> None:
    color = _COLORS[number % len(_COLORS)]
    if as_line and len(heights) > 1:
        axes.plot(range(len(heights)), heights, "o-", color=color, label=label, linewidth=2, markersize=6)
        return
    width = 0.8 / count
    places = [place - 0.4 + width * (number + 0.5) for place in range(len(heights))]
    bars = axes.bar(places, heights, width * 0.92, color=color, label=label)
    if len(heights) * count <= _LABELLED:
        axes.bar_label(bars, fmt="%.3g", fontsize=8, padding=2)


def _trade(axes: Axes, *, rows: Sequence[JobRow], speed: str, quality: str) -> None:
    """Quality over speed, each job a point; the line joins those that no other job beats in both."""
    having = [row for row in rows if speed in row.metrics and quality in row.metrics]
    points = [(row.metrics[speed], row.metrics[quality]) for row in having]
    sign = -1 if quality in LOWER_IS_BETTER else 1
    front = pareto([(x, sign * y) for x, y in points])
    colors = [_COLORS[0] if n in front else "#a9b4c4" for n in range(len(points))]
    axes.plot([points[n][0] for n in front], [points[n][1] for n in front], "-", color=_COLORS[0], alpha=0.45, zorder=1)
    axes.scatter([x for x, _ in points], [y for _, y in points], c=colors, s=48, zorder=2)
    _label_points(axes, having, points, front)
    axes.set(title=f"{title_of(quality)} over speed", xlabel=title_of(speed), ylabel=title_of(quality))
    axes.margins(x=0.25)
    axes.set_ylim(*_span([y for _, y in points], _LEAST_SPAN[quality])[::sign])
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.grid(alpha=0.3)


def _span(values: Sequence[float], least: float) -> tuple[float, float]:
    """Limits with room around the values, never tighter than `least`."""
    middle, half = (min(values) + max(values)) / 2, (max(values) - min(values)) / 2
    room = max(1.3 * half, least / 2)
    return middle - room, middle + room


def _label_points(
    axes: Axes, rows: Sequence[JobRow], points: Sequence[tuple[float, float]], front: Sequence[int]
) -> None:
    """Names at the points, on levels above and below in turn so that neighbours do not cover each other's."""
    named = range(len(points)) if len(points) <= _NAMED else front
    line = {"arrowstyle": "-", "color": "#a9b4c4", "linewidth": 0.7}
    for turn, n in enumerate(sorted(named, key=lambda n: points[n])):
        level = _LEVELS[turn % len(_LEVELS)]
        bold = "bold" if n in front else "normal"
        axes.annotate(
            rows[n].label, points[n], xytext=(0, level), textcoords="offset points", fontsize=8, ha="center",
            va="bottom" if level > 0 else "top", arrowprops=line, fontweight=bold,
        )  # fmt: skip


def _empty(axes: Axes, *, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center")


def _nothing(axes: Axes) -> None:
    axes.set_axis_off()

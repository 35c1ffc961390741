"""The panels of a sweep's picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runner.record.jobs import JobRow, short, varying
from runner.record.measures import LOWER_IS_BETTER, SIZE, plain, title_of
from runner.record.plotnames import name_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LastTouch = Callable[[], None]  # what can be drawn only when every panel has its place
Draw = Callable[[Any], LastTouch]

_COLORS = ("#3b7ddd", "#d97706", "#1a8f5a", "#a855c7", "#0e9aa7", "#c0436d", "#667085", "#b7791f")
_LEAST_SPAN = {  # smaller differences are noise, and must not look large
    "quality.vmaf_mean": 2.0,
    "quality.vmaf_p1": 2.0,
    "quality.pesq": 0.2,
    "quality.stoi": 0.02,
    "quality.ssim": 0.01,
    "quality.psnr": 1.0,
    "quality.wer": 0.02,
    "quality.der": 0.02,
}
_LABELLED = 24  # bars
_NAMED = 12  # points; of more, only those of the front
_LOG_FROM = 8.0  # times the smallest value
_TICK_LETTERS = 64  # that find room side by side below a panel
_LEGEND_LETTERS = 70  # in a row of the legend


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other beats in both coordinates (more is better), from left to right."""
    front: list[int] = []
    highest = float("-inf")
    for index in sorted(range(len(points)), key=lambda n: (-points[n][0], -points[n][1])):
        if points[index][1] > highest:
            front.append(index)
            highest = points[index][1]
    return front[::-1]


def axis_and_group(rows: Sequence[JobRow]) -> tuple[str, str | None]:
    """The setting along the axis (numbers with most values first) and the one told by colour."""
    keys = varying(rows)
    numeric = {key: all(_is_number(row.settings.get(key, "")) for row in rows) for key in keys}
    count = {key: len({row.settings.get(key) for row in rows}) for key in keys}
    keys.sort(key=lambda key: (not numeric[key], -count[key]))
    return (keys[0] if keys else ""), (keys[1] if len(keys) > 1 else None)


def empty(axes: Axes, text: str = "") -> LastTouch:
    """No panel, or a sentence in its place."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center")
    return _nothing


def _nothing() -> None:
    pass


# --- a metric by setting ---------------------------------------------------------------------


def by_setting(axes: Axes, *, rows: Sequence[JobRow], metric: str) -> LastTouch:
    """Lines over a swept number, bars over words; one colour per value of the second setting."""
    having = [row for row in rows if metric in row.metrics]
    axis, group = axis_and_group(having)
    texts = list(dict.fromkeys(row.settings.get(axis, "") for row in having))
    numeric = bool(axis) and all(map(_is_number, texts))
    texts.sort(key=lambda text: float(text) if numeric else 0)
    groups = list(dict.fromkeys(row.settings.get(group or "", "") for row in having))
    lines, labels = numeric and len(texts) > 1, []
    for number, name in enumerate(groups):
        members = [row for row in having if row.settings.get(group or "", "") == name]
        heights = [_mean([_value(r, metric) for r in members if r.settings.get(axis, "") == text]) for text in texts]
        labels += _series(axes, heights, number, len(groups), f"{short(group)}={name}" if group else "", as_line=lines)
    _set_ticks(axes, texts)
    highest = max(_value(row, metric) for row in having) or 1
    axes.set(title=title_of(metric), xlabel=axis, ylim=(0, 1.12 * highest))
    axes.grid(axis="y", alpha=0.3)
    if group:
        _legend(axes, [f"{short(group)}={name}" for name in groups], above=not lines)
    return partial(_part_labels, labels)


def _value(row: JobRow, metric: str) -> float:
    return row.metrics[metric] / (1e6 if metric == SIZE else 1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _series(axes: Axes, heights: Sequence[float], number: int, count: int, label: str, *, as_line: bool) -> list[Any]:
    """One colour; the figures that were written over its bars."""
    color = _COLORS[number % len(_COLORS)]
    if as_line:
        axes.plot(range(len(heights)), heights, "o-", color=color, label=label, linewidth=2, markersize=6)
        return []
    width = 0.8 / count
    places = [place - 0.4 + width * (number + 0.5) for place in range(len(heights))]
    bars = axes.bar(places, heights, width * 0.92, color=color, label=label)
    if len(heights) * count > _LABELLED:
        return []
    figures = ["" if math.isnan(height) else plain(height) for height in heights]
    return list(axes.bar_label(bars, figures, fontsize=8, padding=2))


def _set_ticks(axes: Axes, texts: Sequence[str]) -> None:
    names = [text or "as it is" for text in texts]
    slanted = len(names) >= 7 or len(names) * (2 + max(map(len, names))) > _TICK_LETTERS
    axes.set_xticks(
        range(len(names)), names, rotation=45 if slanted else 0, ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
    )  # fmt: skip


def _legend(axes: Axes, names: Sequence[str], *, above: bool) -> None:
    """Beside lines where there is room; over bars in a strip of its own, where it covers no figure."""
    if not above:
        axes.legend(frameon=False, fontsize=9)
        return
    columns = max(1, min(len(names), _LEGEND_LETTERS // (6 + max(map(len, names)))))
    axes.set_ylim(0, axes.get_ylim()[1] * (1 + 0.08 * -(-len(names) // columns)))
    axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=columns, borderaxespad=0.2)


def _part_labels(labels: Sequence[Any]) -> None:
    """Figures over bars stand upright where they would run into each other."""
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: float(box.x0))
    if any(one.overlaps(other) for one, other in pairwise(boxes)):
        for label in labels:
            label.set_rotation(90)


# --- quality over what it costs --------------------------------------------------------------


def trade(axes: Axes, *, rows: Sequence[JobRow], cost: str, quality: str) -> LastTouch:
    """Quality over speed or size, each job a point; the line joins those that no other job beats in both."""
    having = [row for row in rows if cost in row.metrics and quality in row.metrics]
    points = [(_value(row, cost), row.metrics[quality]) for row in having]
    across, up = (-1 if metric in LOWER_IS_BETTER else 1 for metric in (cost, quality))
    front = sorted(pareto([(across * x, up * y) for x, y in points]), key=lambda n: points[n])
    colors = [_COLORS[0] if n in front else "#a9b4c4" for n in range(len(points))]
    axes.plot([points[n][0] for n in front], [points[n][1] for n in front], "-", color=_COLORS[0], alpha=0.45, zorder=1)
    axes.scatter([x for x, _ in points], [y for _, y in points], c=colors, s=48, zorder=2)
    axes.margins(x=0.25)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.set_ylim(*_span([y for _, y in points], _LEAST_SPAN[quality])[::up])
    _over_words(axes, cost, quality)
    if not _by_factors(axes, [x for x, _ in points]):
        axes.set_xlim(left=max(0.0, axes.get_xlim()[0]))
    axes.grid(alpha=0.3)
    named = [*front, *(n for n in range(len(points)) if n not in front and len(points) <= _NAMED)]
    return partial(name_points, axes, [row.label for row in having], points, named, front)


def _over_words(axes: Axes, cost: str, quality: str) -> None:
    words, remark = ("size", " (smaller is better)") if cost == SIZE else ("speed", "")
    axes.set(title=f"{title_of(quality)} over {words}", xlabel=title_of(cost) + remark, ylabel=title_of(quality))


def _by_factors(axes: Axes, values: Sequence[float]) -> bool:
    """A logarithmic axis where values differ much, else all small ones would lie on one spot; whether it is one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(values) <= 0 or max(values) <= _LOG_FROM * min(values):
        return False
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    return True


def _span(values: Sequence[float], least: float) -> tuple[float, float]:
    """Limits with room around the values, never tighter than `least`."""
    middle, half = (min(values) + max(values)) / 2, (max(values) - min(values)) / 2
    room = max(1.3 * half, least / 2)
    return middle - room, middle + room

"""What the machine did, as curves over the time of the run: CPU, memory, disk, and what waited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.record.jsonl import read_lines
from runner.record.tally import is_number

WIDTH = 1000.0
LEFT = 120.0
RIGHT = 12.0
POINTS = 240
_HEIGHT = 56.0
_GAP = 16.0
# Title, metric → name of its curve, and the value at the upper edge (0: the next round one above the largest).
_PANELS: tuple[tuple[str, Mapping[str, str], float], ...] = (
    ("CPU and RAM, %", {"resource.cpu_util": "CPU", "resource.ram_util": "RAM"}, 100.0),
    ("memory, MB", {"resource.rss_mb": "of all processes", "resource.vram_mb": "of the GPU"}, 0.0),
    ("disk, MB", {"resource.disk_mb": "more than at the start"}, 0.0),
)

Series = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(slots=True)
class Line:
    """One curve of a chart; `points` is an SVG point list."""

    name: str
    points: str
    number: int


@dataclass(slots=True)
class Chart:
    """Curves over the same time axis; `top` is the value at its upper edge."""

    name: str
    y: float
    height: float
    top: str
    lines: list[Line]


def charts_of(samples: Path, wall_s: float, y: float) -> Iterator[Chart]:
    """Charts one below the other from `y` on, of what was sampled in a run of `wall_s` seconds."""
    series = series_of(samples, wall_s)
    for name, labels, top in _PANELS:
        found = {label: series[metric] for metric, label in labels.items() if any(v for _, v in series.get(metric, ()))}
        if found:
            yield _chart(name, found, y, top or _round_above(_most(found)), wall_s)
            y += _HEIGHT + _GAP
    queues = {name.removeprefix("queue."): values for name, values in series.items() if name.startswith("queue.")}
    if queues:
        yield _chart("waiting items", queues, y, max(_most(queues), 1.0), wall_s)


def x_at(t: float, wall_s: float) -> float:
    """Where a time lies on the axis."""
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(t / wall_s, 0.0), 1.0)


def series_of(samples: Path, wall_s: float) -> Series:
    """Mean of each metric per slice of the axis: (seconds, value)."""
    sums: dict[str, dict[int, tuple[float, int]]] = {}
    for _, sample in read_lines(samples):
        slot = int(POINTS * min(float((sample or {}).get("t") or 0.0) / wall_s, 1.0))
        for name, value in ((sample or {}).get("m") or {}).items():
            if is_number(value):
                total, count = sums.setdefault(name, {}).get(slot, (0.0, 0))
                sums[name][slot] = (total + value, count + 1)
    return {
        name: [(slot * wall_s / POINTS, total / count) for slot, (total, count) in sorted(slots.items())]
        for name, slots in sums.items()
    }


def _most(series: Series) -> float:
    return max((value for values in series.values() for _, value in values), default=0.0)


def _round_above(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, … that is not below."""
    step = 1.0
    while step < value:
        step *= 2.5 if f"{step:e}".startswith("2") else 2.0
    return step


def _chart(name: str, series: Series, y: float, top: float, wall_s: float) -> Chart:
    lines = []
    for number, (label, values) in enumerate(series.items()):
        points = (f"{x_at(t, wall_s):.1f},{y + _HEIGHT * (1 - min(value / top, 1.0)):.1f}" for t, value in values)
        lines.append(Line(label, " ".join(points), number % 6))
    return Chart(name, y, _HEIGHT, f"{top:g}", lines)

"""The run as a picture: which stage ran what when, on how many lanes, and what the machine did meanwhile.

Geometry only, in SVG units of a picture `WIDTH` wide; the template draws it. At most about 2000 shapes,
whatever the length of the run: short runs show each task, long ones the share of time worked per slice.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.record.charts import LEFT, RIGHT, WIDTH, Chart, charts_of, x_at
from runner.record.jsonl import read_lines
from runner.record.rundir import RunDir

TASKS_SHOWN = 1400
SLICES = 200
_BAND_GAP = 10.0
_TOP = 4.0
_CACHED = 3.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle: `kind` is its CSS class, `tip` what the pointer shows."""

    x: float
    y: float
    w: float
    h: float
    kind: str
    tip: str


@dataclass(slots=True)
class Band:
    """One stage: its rectangles and the room they take."""

    name: str
    y: float
    height: float
    shapes: list[Shape]


@dataclass(slots=True)
class Timeline:
    """Everything the template draws."""

    height: float
    ticks: list[tuple[float, str]]
    bands: list[Band]
    charts: list[Chart]
    marks: list[tuple[float, str]]
    sliced: bool


@dataclass(slots=True)
class _Events:
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    slices: dict[str, list[list[float]]] = field(default_factory=dict)
    marks: list[tuple[float, str]] = field(default_factory=list)


def draw_timeline(run: RunDir, slots: Mapping[str, int], wall_s: float, tasks: int) -> Timeline:
    """Lay out the picture of a run of `wall_s` seconds and that many tasks; `slots`: tasks at once, by stage."""
    wall_s = max(wall_s, 1e-3)
    sliced = tasks > TASKS_SHOWN
    events = _read(run, slots, wall_s, sliced=sliced)
    bands: list[Band] = []
    y = _TOP
    for name, count in slots.items():
        cells = events.slices.get(name, [])
        band = _slice_band(name, cells, count, wall_s, y) if sliced else _task_band(name, events, wall_s, y)
        bands.append(band)
        y += band.height + _BAND_GAP
    charts = list(charts_of(run.samples, wall_s, y))
    height = charts[-1].y + charts[-1].height + 22 if charts else y + 14
    marks = [(round(x_at(t, wall_s), 1), tip) for t, tip in events.marks[:60]]
    return Timeline(height, _ticks(wall_s), bands, charts, marks, sliced)


def _read(run: RunDir, stages: Iterable[str], wall_s: float, *, sliced: bool) -> _Events:
    events = _Events(slices={name: [[0.0, 0.0] for _ in range(SLICES)] for name in stages})
    for _, event in read_lines(run.journal):
        kind = (event or {}).get("event")
        if event is None or kind not in ("task", "degrade"):
            continue
        if kind == "degrade":
            events.marks.append((float(event.get("t") or 0.0), f"{event['stage']}: {event.get('reason', '')}"))
        elif sliced:
            _add_to_slices(events.slices.get(event["stage"], []), event, wall_s)
        else:
            events.tasks.setdefault(event["stage"], []).append(event)
    return events


def _add_to_slices(slices: list[list[float]], event: Mapping[str, Any], wall_s: float) -> None:
    """Spread a task's seconds over the slices that it ran in: [worked, failed]."""
    if event["status"] not in ("done", "failed") or not slices:
        return
    width = wall_s / SLICES
    which = 1 if event["status"] == "failed" else 0
    t0, t1 = float(event["t0"]), float(event["t1"])
    for number in range(int(t0 / width), min(int(t1 / width), SLICES - 1) + 1):
        slices[number][which] += max(0.0, min(t1, (number + 1) * width) - max(t0, number * width))


def _slice_band(name: str, slices: list[list[float]], slots: int, wall_s: float, y: float) -> Band:
    """Full height is all slots busy (or what was reached, when workers were added)."""
    width, height = wall_s / SLICES, 34.0
    most = max([slots * width, *(worked + failed for worked, failed in slices)])
    step = (WIDTH - LEFT - RIGHT) / SLICES
    shapes = []
    for number, (worked, failed) in enumerate(slices):
        bottom = y + height
        for seconds, kind in ((failed, "failed"), (worked, "done")):
            h = height * seconds / most
            bottom -= h
            if h > 0.05:
                tip = f"{name}: {seconds / width:.1f} at once, {number * width:.0f} s"
                shapes.append(_shape(LEFT + number * step, bottom, step, h, kind, tip))
    return Band(name, y, height, shapes)


def _task_band(name: str, events: _Events, wall_s: float, y: float) -> Band:
    """Tasks on as many lanes as ran at once; what came from the cache as ticks above them."""
    ran = [task for task in events.tasks.get(name, []) if task["status"] in ("done", "failed")]
    lanes = list(_lanes(sorted(ran, key=lambda task: float(task["t0"]))))
    count = max((lane for lane, _ in lanes), default=0) + 1
    pitch = 14.0 if count <= 8 else max(3.0, 112.0 / count)
    shapes = [_task_shape(task, wall_s, y + _CACHED + 2 + lane * pitch, pitch - 1) for lane, task in lanes]
    shapes += [
        _shape(x_at(task["t1"], wall_s), y, 2, _CACHED, "cached", f"{task['item']}: from the cache")
        for task in events.tasks.get(name, [])
        if task["status"] == "cached"
    ]
    return Band(name, y, _CACHED + 2 + count * pitch, shapes)


def _lanes(tasks: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lowest lane that is free when a task starts, for tasks in order of their start."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    used = 0
    for task in tasks:
        while busy and busy[0][0] <= float(task["t0"]) + 1e-6:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            heapq.heappush(free, used)
            used += 1
        lane = heapq.heappop(free)
        heapq.heappush(busy, (float(task["t1"]), lane))
        yield lane, task


def _task_shape(task: Mapping[str, Any], wall_s: float, y: float, height: float) -> Shape:
    left, right = x_at(task["t0"], wall_s), x_at(task["t1"], wall_s)
    why = f": {task['sentence']}" if task.get("sentence") else ""
    again = f", attempt {task['attempt']}" if (task.get("attempt") or 1) > 1 else ""
    tip = f"{task['item']} · {task['t1'] - task['t0']:.2f} s{again}{why}"
    return _shape(left, y, max(right - left - 0.4, 0.8), height, task["status"], tip)


def _shape(x: float, y: float, w: float, h: float, kind: str, tip: str) -> Shape:
    return Shape(round(x, 2), round(y, 2), round(w, 2), round(h, 2), kind, tip)


def _ticks(wall_s: float) -> list[tuple[float, str]]:
    """About eight round times."""
    steps = [s * f for f in (0.1, 1, 10) for s in (1, 2, 5)] + [
        60,
        120,
        300,
        600,
        1200,
        1800,
        3600,
        7200,
        14400,
        43200,
        86400,
    ]
    step = next((s for s in steps if wall_s / s <= 9), 86400 * max(1, round(wall_s / 86400 / 8)))
    return [(round(x_at(n * step, wall_s), 1), clock(n * step)) for n in range(int(wall_s / step) + 1)]


def clock(seconds: float) -> str:
    """`0.5 s`, `42 s`, `3:20`, `1:05:00`."""
    if seconds < 60:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"

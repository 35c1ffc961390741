"""Adds up the events of a journal, one at a time, in memory that does not grow with them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.record.itemstates import COMPLETE, FAILED, SEEN, ItemStates

NOTES_KEPT = 100
_USED_KEPT = 8


class Reservoir:
    """A fair sample of a stream of numbers, for quantiles in bounded memory (Vitter's algorithm R)."""

    def __init__(self, size: int = 2000) -> None:
        self._size = size
        self._seen = 0
        self._kept: list[float] = []
        self._random = random.Random(0)  # noqa: S311 - the same journal must give the same figures

    def add(self, value: float) -> None:
        """Take one number."""
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append(value)
        elif (at := self._random.randrange(self._seen)) < self._size:
            self._kept[at] = value

    def quantile(self, share: float) -> float:
        """The value that `share` (0..1) of the numbers do not exceed; exact until the reservoir is full."""
        ordered = sorted(self._kept)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


@dataclass(slots=True)
class Spread:
    """Sum, smallest and largest of a metric."""

    count: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    def add(self, value: float) -> None:
        """Take one number."""
        self.count += 1
        self.total += value
        self.low = min(self.low, value)
        self.high = max(self.high, value)

    @property
    def mean(self) -> float:
        """The mean; the spread must hold a number."""
        return self.total / self.count


@dataclass(slots=True)
class Making:
    """Frames that a stage really made, and from when to when, seconds since the start of the run."""

    frames: float = 0.0
    first: float = float("inf")
    last: float = 0.0

    def add(self, frames: float, t0: float, t1: float) -> None:
        """Take one task."""
        self.frames += frames
        self.first = min(self.first, t0)
        self.last = max(self.last, t1)

    @property
    def fps(self) -> float:
        """Frames per second from the first task's start to the last one's end; 0.0 when none were made."""
        return self.frames / (self.last - self.first) if self.last > self.first else 0.0


@dataclass(slots=True)
class Aside:
    """Seconds in which only scoring went on, after the work: tasks beside each other count once."""

    seconds: float = 0.0
    _until: float = 0.0

    def add(self, t0: float, t1: float) -> None:
        """Take one task; tasks come in the order of their ends."""
        self.seconds += max(0.0, t1 - max(t0, self._until))
        self._until = max(self._until, t1)


@dataclass(slots=True)
class StageTally:
    """One stage: tasks by status, time, and the metrics that its tasks reported."""

    tasks: Counter[str] = field(default_factory=Counter)
    busy_s: float = 0.0
    cpu_s: float = 0.0
    rss_peak_mb: float = 0.0
    durations: Reservoir = field(default_factory=Reservoir)
    metrics: dict[str, Spread] = field(default_factory=dict)
    making: Making = field(default_factory=Making)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one `task` event."""
        status = event["status"]
        self.tasks[status] += 1
        if status in ("done", "failed"):
            seconds = max(0.0, event["t1"] - event["t0"])
            self.busy_s += seconds
            self.cpu_s += event.get("cpu_s") or 0.0
            self.rss_peak_mb = max(self.rss_peak_mb, event.get("rss_mb") or 0.0)
        metrics = {name: float(value) for name, value in (event.get("metrics") or {}).items() if is_number(value)}
        if status == "done":
            self.durations.add(seconds)
            if frames := metrics.get("video.frames"):
                self.making.add(frames, event["t0"], event["t1"])
        for name, value in metrics.items():
            self.metrics.setdefault(name, Spread()).add(value)


def is_number(value: Any) -> bool:
    """A finite number, as charts and MLflow want it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


class Tally:
    """The sums of a journal.

    Args:
        items: the run's input items.
        on_output: called with item key (made unique) and file for every published file, in order.
    """

    def __init__(self, items: ItemStates, on_output: Callable[[str, str], None]) -> None:
        self.items = items
        self.stages: dict[str, StageTally] = {}
        self.start: dict[str, Any] = {}
        self.end: dict[str, Any] = {}
        self.workers: dict[str, int] = {}
        self.degrades: list[dict[str, Any]] = []
        self.used: dict[str, list[Any]] = {}
        self.notes: Counter[str] = Counter()
        self.notes_left_out = 0
        self.failures: Counter[str] = Counter()
        self.retries = 0
        self.bytes = 0
        self.aside = Aside()
        self.last_t = 0.0
        self.damaged = 0
        self._on_output = on_output
        self._takers: dict[str, Callable[[dict[str, Any]], None]] = {
            "start": self._take_start,
            "task": self._take_task,
            "retry": self._take_retry,
            "degrade": self._take_degrade,
            "workers": self._take_workers,
            "output": self._take_output,
            "note": lambda event: self._note(event["text"]),
            "end": self.end.update,
        }

    def take(self, event: dict[str, Any] | None) -> None:
        """Take one event; None stands for a line that could not be read."""
        if event is None:
            self.damaged += 1
        elif taker := self._takers.get(event.get("event", "")):
            taker(event)

    def _take_start(self, event: dict[str, Any]) -> None:
        self.start.update(event)
        self.workers.update(event.get("slots") or {})
        for name in event.get("stages") or ():
            self.stages.setdefault(name, StageTally())

    def _take_task(self, event: dict[str, Any]) -> None:
        stage, status = event["stage"], event["status"]
        self.stages.setdefault(stage, StageTally()).take(event)
        self.last_t = max(self.last_t, event.get("t1") or 0.0)
        if stage in (self.start.get("after") or ()) and status in ("done", "failed"):
            self.aside.add(event["t0"], event["t1"])
        failed = status in ("failed", "blocked")
        last = stage == next(reversed(self.start.get("stages") or [""]))
        self.items.mark(event["item"], SEEN | (FAILED if failed else COMPLETE if last else 0))
        if status == "failed":
            self.failures[event.get("failure") or "bug"] += 1
        for note in event.get("notes") or ():
            self._note(note)
        for key, value in (event.get("used") or {}).items():
            values = self.used.setdefault(key, [])
            if value not in values and len(values) < _USED_KEPT:
                values.append(value)

    def _take_retry(self, _event: dict[str, Any]) -> None:
        self.retries += 1

    def _take_degrade(self, event: dict[str, Any]) -> None:
        if len(self.degrades) < NOTES_KEPT:
            self.degrades.append(event)

    def _take_workers(self, event: dict[str, Any]) -> None:
        self.workers[event["stage"]] = event["count"]

    def _take_output(self, event: dict[str, Any]) -> None:
        item, artifact = event["item"], event.get("artifact", "")
        self.bytes += event.get("bytes") or 0
        beside = bool(event.get("beside"))
        if not beside:
            self.items.mark(item, COMPLETE)
        named = not beside and self.items.first_name(item)
        self._on_output(item if named else f"{item}#{artifact}", event["path"])

    def _note(self, text: str) -> None:
        if text in self.notes or len(self.notes) < NOTES_KEPT:
            self.notes[text] += 1
        else:
            self.notes_left_out += 1

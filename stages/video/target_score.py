"""What a finished film scores: every frame of it, or of a long one as many windows as make the answer certain.

Cells of `CELL_S` are scored, every 32nd (16th, …) of the film, then those in between, until the mean of all of them
tells whether the film is within the tolerance of its target. How far it may be off is twice the standard error of the
cells' means. A film of which every 8th cell is not enough is scored whole, in one go: what is sought costs three
times as much, frame by frame.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from stages.contract import Failure, StageError, Work
from stages.media.frames import Timeline
from stages.media.pooling import pooled
from stages.media.score import Scoring, Window
from stages.quality.pair import Pair, read_pair
from stages.quality.picture import scoring_of
from stages.quality.target import Aim
from stages.video.target_probe import Prober, rows_of
from stages.video.target_windows import CELL_S

LEAST_CELLS = 32
DENSEST = 8


@dataclass(frozen=True, slots=True)
class Clock:
    """When a task has to be done, in monotonic seconds."""

    ends: float

    @classmethod
    def of(cls, timeout_s: float) -> Clock:
        """From now on, with a tenth of the time left for what comes afterwards; 0: no end."""
        return cls(time.monotonic() + 0.9 * timeout_s if timeout_s else math.inf)

    def left_s(self) -> float:
        """Seconds until then."""
        return self.ends - time.monotonic()

    def timeout_s(self, after_s: float) -> float:
        """For a program, what is left beside so many seconds that are needed after it; 0: no end.

        Raises:
            StageError: TIMEOUT when nothing is.
        """
        if math.isinf(self.ends):
            return 0.0
        if self.left_s() <= after_s:
            raise StageError(Failure.TIMEOUT, "no time is left for it; raise task_timeout_s")
        return self.left_s() - after_s


@dataclass(frozen=True, slots=True)
class Score:
    """What a film has.

    Attributes:
        value: the wanted score.
        within: how far the film's own may be from that, at 95 %; 0 when every frame was scored.
        figures: those of `quality.picture`; only the wanted one when windows were scored.
        called: what was scored, in words.
    """

    value: float
    within: float
    figures: Mapping[str, float]
    called: str = "every frame"

    def told(self, aim: Aim) -> str:
        """`VMAF 93.1`, with how far it may be off."""
        return aim.told(self.value) + (f" ± {self.within:.{aim.places}f} ({self.called})" if self.within else "")


def score_film(prober: Prober, aim: Aim, video: Path, clock: Clock) -> Score:
    """Score a finished film against its source.

    Raises:
        StageError: BAD_INPUT for what does not decode; as FFmpeg failed.
    """
    work = prober.work
    pair = read_pair(work.item.artifacts["film"].path, video, work.item.key)
    scoring, _ = scoring_of(pair.reference, pair.video, prober.parts, prober.threads)
    return _Scorer(work, aim, pair, replace(scoring, memory_mb=work.memory_mb), clock).run()


def strides(cells: int) -> list[int]:
    """Every so many-th cell is scored, one stride after the other; 1 is the film in one go."""
    found, stride = [1], DENSEST
    while cells // stride >= LEAST_CELLS:
        found.insert(0, stride)
        stride *= 2
    return found


def spread_of(means: Sequence[float], cells: int) -> float:
    """Twice the standard error of the mean of some cells of so many, as if they were drawn by chance."""
    import numpy as np

    left = 1 - len(means) / cells
    return float(2 * np.std(means, ddof=1) * (left / len(means)) ** 0.5)


def certain(aim: Aim, value: float, within: float) -> bool:
    """Whether a score known that well is surely near enough, or surely too far and known well enough to correct it."""
    off = aim.off(value)
    return off + within <= aim.tolerance or (off - within > aim.tolerance and within <= aim.tolerance / 2)


@dataclass(slots=True)
class _Scorer:
    work: Work
    aim: Aim
    pair: Pair
    scoring: Scoring
    clock: Clock
    _means: list[float] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _spent_s: float = 0.0

    def run(self) -> Score:
        """Ever more cells, until the answer is certain or the time is over."""
        length = self._length()
        cells = self.pair.count // length if length else 0
        sampled = self.aim.figure != "quality.vmaf_p1"  # the low of a film is not that of some windows
        wanted = strides(cells) if sampled else [1]
        for stride in wanted:
            if self._seen and not self._time_for(cells // stride - len(self._seen)):
                return self._guess(cells)
            if stride == 1:
                break
            for cell in range(wanted[0] // 2 % stride, cells, stride):
                self._cell(cell, length)
            guess = self._guess(cells)
            if certain(self.aim, guess.value, guess.within):
                return guess
        return self._whole()

    def _time_for(self, cells: int) -> bool:
        """Whether so many cells more take a third of the time that is left: an encode and its score may follow."""
        return self._spent_s / len(self._seen) * cells < self.clock.left_s() / 3

    def _length(self) -> int:
        """Frames of a cell; 0 where frames cannot be sought by their times."""
        times = self.pair.reference_times
        if not (self.pair.timed and all(_distinct(each) for each in (times, self.pair.video_times))):
            return 0
        seconds = times.seconds(times.count - 1)
        return max(1, round(CELL_S * (times.count - 1) / seconds)) if seconds > 0 else 0

    def _cell(self, cell: int, length: int) -> None:
        if cell in self._seen:
            return
        first, began = cell * length, time.monotonic()
        times = (self.pair.reference_times, self.pair.video_times)
        seeks = [each.just_before(first) if first else None for each in times]
        figures = self._figures(Window(first, first + length, *seeks))
        self._means.append(figures[self.aim.figure])
        self._seen.add(cell)
        self._spent_s += time.monotonic() - began

    def _guess(self, cells: int) -> Score:
        value = sum(self._means) / len(self._means)
        called = f"{len(self._means)} windows of {CELL_S:g} s"
        return Score(value, spread_of(self._means, cells), {self.aim.figure: value}, called)

    def _whole(self) -> Score:
        figures = self._figures(Window(0, self.pair.count))
        return Score(figures[self.aim.figure], 0.0, figures)

    def _figures(self, window: Window) -> dict[str, float]:
        folder = self.work.scratch / "finished-scores"
        try:
            return pooled(rows_of(self.scoring.run(window, folder, self.work.progress)))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _distinct(times: Timeline) -> bool:
    return all(before < after for before, after in pairwise(times.pts))

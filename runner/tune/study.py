"""A search on disk: its folder, its samples of the input, its trials run one after another, its finalists timed.

The folder is the truth, as everywhere: the same words find it again, and go on to the same total.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.tune.known import Keys, Taken
from runner.tune.memory import Memory
from runner.tune.now import NOW, Now
from runner.tune.pick import spread_of
from runner.tune.runs import Measured, TrialJob, TrialRunner
from runner.tune.search import Ask, Search
from runner.tune.space import Point, SearchSpace, overrides
from runner.tune.trials import Trial, TrialBook
from stages.source import Source

FINALISTS = 3
_WAIT_S = 2.0
_LEAST_TIMEOUT_S = 600.0
_TOLERANT = 10.0  # times the slowest trial so far


@dataclass(frozen=True, slots=True)
class Sample:
    """The input of one rung: its files, and how much of the input they are in words (`4 seconds`, `whole`)."""

    files: Sequence[Path]
    amount: str


def samples(source: Source[Any], files: Sequence[Path], space: SearchSpace, folder: Path) -> list[Sample]:
    """One sample a rung, the largest last; a single one, the input itself, when it cannot be made smaller.

    Raises:
        StageError: when the input cannot be read.
    """
    amounts = {"seconds": space.samples.seconds, "items": space.samples.items}.get(source.measure, ())
    made: list[Sample] = []
    for rung, amount in enumerate(amounts):
        place = folder / f"sample-{rung}"
        place.mkdir(parents=True, exist_ok=True)
        found = source.excerpt(files, float(amount), place)
        whole = list(found) == list(files)
        made.append(Sample(found, "whole" if whole else f"{amount:g} {source.measure}"))
        if whole:
            break
    return made or [Sample(list(files), "whole")]


def study_id(pipeline: str, parts: Mapping[str, Any]) -> str:
    """Name of a search's folder: the same for the same space, floor, words and input."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return f"{pipeline}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


@dataclass(slots=True)
class Study:
    """Runs a search to its end.

    Args:
        space: what is searched.
        search: what to try next.
        book: what was tried.
        runner: runs a trial.
        samples: input of each rung.
        memory: what need not be measured again.
        timeout_s: longest time of a trial; 0: ten times the slowest, at least ten minutes.
        tell: a line for people.
    """

    space: SearchSpace
    search: Search
    book: TrialBook
    runner: TrialRunner
    samples: Sequence[Sample]
    memory: Memory
    timeout_s: float = 0.0
    tell: Callable[[str], None] = lambda _line: None
    _slowest: float = field(default=0.0)

    def run(self) -> None:
        """Try until the total is reached; a search that was stopped goes on where it was.

        Raises:
            KeyboardInterrupt: when it was interrupted; what was begun is given back.
        """
        while True:
            ask = self.search.ask()
            if ask is None:
                if self.search.finished:
                    return
                time.sleep(_WAIT_S)  # another search over the same folder holds what is left
                continue
            self._try(ask)

    def _try(self, ask: Ask) -> None:
        try:
            job = self.runner.job(overrides(ask.point), self._limit())
            keys = self.memory.keys(job.composition, ask.rung)
            if taken := self.memory.trial(keys):
                self.take(ask, taken)
            else:
                self._measure(ask, job, keys)
        except BaseException:
            self.book.release(ask.number, ask.rung)
            raise

    def take(self, ask: Ask, taken: Taken) -> None:
        """Let a trial count that was measured elsewhere, with its figures and where they are from."""
        self.runner.note_taken((ask.number, ask.rung), overrides(ask.point), taken)
        metric = self.space.objective.metric
        self.search.tell(
            ask.number, taken.state, taken.figures, reason=taken.reason, rung=ask.rung,
            repeats=taken.timings(metric), origin=taken.origin, cause=taken.cause,
        )  # fmt: skip
        found = Measured(taken.state, taken.reason, taken.figures)
        self.tell(f"{self._line(f'#{ask.number}', ask.point, ask.rung, found)} (taken from {taken.origin})")

    def _measure(self, ask: Ask, job: TrialJob, keys: Keys) -> None:
        known = self.memory.quality(keys)
        found = self._measured(ask, self.runner.job(overrides(ask.point), self._limit(), known) if known else job)
        origin = known.origin if known else ""
        self.search.tell(
            ask.number, found.state, found.figures, reason=found.reason, rung=ask.rung, repeats=self._times([found]),
            quality_key=keys.quality, speed_key=keys.speed, cause=found.cause, quality_origin=origin,
        )  # fmt: skip
        line = self._line(f"#{ask.number}", ask.point, ask.rung, found)
        self.tell(f"{line} (quality of {origin})" if known else line)

    def _measured(self, ask: Ask, job: TrialJob) -> Measured:
        began = time.monotonic()
        found = self.runner.measure(job, self._sample(ask.rung).files, (ask.number, ask.rung))
        if found.state == "ok":
            self._slowest = max(self._slowest, time.monotonic() - began)
        return found

    def _sample(self, rung: int) -> Sample:
        return self.samples[min(rung, len(self.samples) - 1)]

    def _limit(self) -> float:
        return self.timeout_s or max(_LEAST_TIMEOUT_S, _TOLERANT * self._slowest)

    def _times(self, found: Sequence[Measured]) -> tuple[float, ...]:
        metric = self.space.objective.metric
        return tuple(one.figures[metric] for one in found if metric in one.figures)

    def _line(self, head: str, point: Any, rung: int, found: Measured) -> str:
        from runner.record.jobs import figures_told

        words = " ".join(f"{key}={value}" for key, value in point.values)
        where = f" [{self._sample(rung).amount}]" if len(self.samples) > 1 else ""
        said = figures_told(found.figures) if found.state == "ok" else f"{found.state}: {found.reason}"
        return f"{' '.join(filter(None, [head, words]))}{where}: {said}"

    # --- finalists ---------------------------------------------------------------------------

    def finals(
        self, finalists: Sequence[Trial], known: Mapping[int, Sequence[float]], now: Now | None = None
    ) -> dict[int, list[float]]:
        """Time the finalists again, in turns, so that a noisy minute strikes them alike, until they agree.

        Args:
            finalists: trials of the last rung first; others are timed on its sample too.
            known: timings of an earlier end of this search, by number: they count.
            now: the settings as they are, which take their turns too.

        Returns:
            all values of the objective of each, by number; of now's by `NOW`.
        """
        rung, goal, most = len(self.samples) - 1, self.space.objective, self.space.repeats.most
        points = {t.number: t.point.values for t in finalists} | ({NOW: ()} if now else {})
        values = {t.number: [t.outcomes[t.rung].figures[goal.metric]] if t.rung == rung else [] for t in finalists}
        values |= {number: list(known[number]) for number in points if known.get(number)}
        values |= {NOW: list(now.timings)} if now else {}
        while open_ones := [number for number in points if self._unsettled(values[number], most)]:
            for number in open_ones:
                values[number] += self._again(number, Point(points[number]))
        return {number: [value for value in found if value == value] for number, found in values.items()}

    def _again(self, number: int, point: Point) -> tuple[float, ...]:
        """One more timing, without scoring what is known by now; not a number where it failed this time."""
        rung, words = len(self.samples) - 1, overrides(point)
        job = self.runner.job(words, self._limit())
        if known := self.memory.quality(self.memory.keys(job.composition, rung)):
            job = self.runner.job(words, self._limit(), known)
        found = self.runner.measure(job, self.samples[rung].files)
        head = "as it is now" if number == NOW else f"#{number} again"
        self.tell(self._line(head, point, rung, found))
        return self._times([found]) or (float("nan"),)

    def _unsettled(self, values: Sequence[float], most: int) -> bool:
        return len(values) < most and not steady([v for v in values if v == v], self.space.repeats.spread)


def steady(values: Sequence[float], spread: float) -> bool:
    """At least three values whose median is known that well."""
    return len(values) >= 3 and spread_of(values) <= spread

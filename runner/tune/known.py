"""What any search under an outputs folder measured before: quality for all machines, speed for its own.

Only what was measured is remembered: a book's copies of what another one found teach nothing new.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.record.jsonl import read_lines
from runner.tune.trials import BOOK, Outcome, read_trials

MEMORY = "memory"  # cause of an outcome: it did not fit
_OF_THE_RESULT = ("quality.", "size.", "audio.", "video.frames", "video.duration_s")  # the same on any machine
_WORKED = ("ok", "infeasible")


@dataclass(frozen=True, slots=True)
class Keys:
    """Under what the result of a trial is remembered; "" for what is not.

    Attributes:
        quality: of content, settings that have a say in the result, and versions.
        speed: of these, the machine, and all other settings.
    """

    quality: str = ""
    speed: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A result that is known and not measured again.

    Attributes:
        state: ok, or infeasible for what did not fit; the floor is for the taker to judge.
        figures: metric → value; of speeds the median over all the times they were measured.
        origin: where it was measured, for people: `transcode-1a2b #3`.
        reason: a sentence, unless it is ok.
        rows: the figures of each time.
        run: folder of the newest run; None when it is not there.
        cause: see `Outcome`.
    """

    state: str
    figures: Mapping[str, float]
    origin: str
    reason: str = ""
    rows: Sequence[Mapping[str, float]] = ()
    run: Path | None = None
    cause: str = ""

    def timings(self, metric: str) -> tuple[float, ...]:
        """Each value that was measured of it."""
        return tuple(row[metric] for row in self.rows if metric in row)


def quality_key(content: Any, args: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """Key of what a result is like: 64 hex digits.

    Args:
        content: digests of what is coded, and which part of it.
        args: every setting that has a say in the result.
        versions: of the tools that code and score.
    """
    return _digest({"content": content, "args": dict(args), "versions": dict(versions)})


def speed_key(quality: str, machine: str, settings: Mapping[str, Any] | None = None) -> str:
    """Key of how fast a result is made.

    Args:
        quality: `quality_key` of the result.
        machine: its fingerprint.
        settings: those that have a say in the speed alone.
    """
    return _digest({"quality": quality, "machine": machine, "settings": dict(settings or {})})


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Row:
    """An outcome, and where it stands."""

    outcome: Outcome
    search: Path
    number: int
    rung: int

    @property
    def name(self) -> str:
        return f"{self.search.name} #{self.number}"


@dataclass(slots=True)
class Known:
    """The books of all searches under an outputs folder. Books that grew are read again.

    Args:
        outputs: the folder; searches lie in its `tune/`.
    """

    outputs: Path
    _books: dict[Path, tuple[tuple[int, int], list[_Row]]] = field(default_factory=dict)

    def trial(self, key: str, *, unscored: bool) -> Taken | None:
        """What came of the same work on the same machine; None when that was never told.

        Crashes, time-outs and failures tell nothing: they are tried again. What did not fit does not fit again.

        Args:
            key: of the speed.
            unscored: whether the speed of a run that was not scored will do.
        """
        rows = [row for row in self._rows() if key and row.outcome.speed_key == key]
        if timed := [row for row in rows if _measured(row.outcome) and (unscored or not row.outcome.quality_origin)]:
            return _timed(timed)
        unfit = [row for row in rows if row.outcome.state == "infeasible" and row.outcome.cause == MEMORY]
        if not unfit:
            return None
        outcome = unfit[-1].outcome
        return Taken("infeasible", outcome.figures, unfit[-1].name, outcome.reason, cause=MEMORY, run=_run(unfit[-1]))

    def quality(self, key: str) -> Taken | None:
        """What the same result was like, on whatever machine it was made; None when nobody scored it."""
        for row in reversed(list(self._rows())):
            outcome = row.outcome
            figures = _of_result(outcome.figures)
            if key and outcome.quality_key == key and _measured(outcome) and not outcome.quality_origin and figures:
                return Taken("ok", figures, row.name)
        return None

    def _rows(self) -> Iterator[_Row]:
        """All that was measured, oldest book first."""
        for file in sorted(self.outputs.glob(f"tune/*/book/{BOOK}"), key=lambda path: path.stat().st_mtime_ns):
            found = file.stat()
            stamp = found.st_size, found.st_mtime_ns
            if file not in self._books or self._books[file][0] != stamp:
                self._books[file] = stamp, list(_read(file))
            yield from self._books[file][1]


def _read(file: Path) -> Iterator[_Row]:
    for trial in read_trials(file).values():
        for rung, outcome in trial.outcomes.items():
            if not outcome.origin:
                yield _Row(outcome, file.parent.parent, trial.number, rung)


def _measured(outcome: Outcome) -> bool:
    """Whether it ran as it should, be it below a floor."""
    return outcome.state in _WORKED and not outcome.cause and bool(outcome.figures)


def _timed(rows: Sequence[_Row]) -> Taken:
    """The newest, with medians of what is not the same each time."""
    figures = [row.outcome.figures for row in rows]
    names = {name for each in figures for name in each}
    middle = {name: statistics.median(each[name] for each in figures if name in each) for name in sorted(names)}
    origin = rows[-1].name + (f" (median of {len(rows)})" if len(rows) > 1 else "")
    return Taken("ok", {**middle, **_of_result(figures[-1])}, origin, rows=tuple(figures), run=_run(rows[-1]))


def _run(row: _Row) -> Path | None:
    """Folder of its run, by the search's list of jobs."""
    label = [row.number, row.rung]
    lines = [line for _, line in read_lines(row.search / "jobs.jsonl") if line and line.get("trial") == label]
    found = [Path(line["run_dir"]) for line in lines if line.get("run_dir") and not line.get("taken")]
    return next((run for run in reversed(found) if run.is_dir()), None)


def _of_result(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if name.startswith(_OF_THE_RESULT)}

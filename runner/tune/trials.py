"""The book of a search: what was tried, by whom, with what result. A file of lines that only grows.

`trials.jsonl` has an event a line, `claim`, `tell` or `release`, written in one write and flushed. A line that a kill
tore was never true: the next writer cuts it off. All is written under a lock that the system drops with its holder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.record.jsonl import read_lines
from runner.tune.owner import Owner, beat, is_alive, this_process
from runner.tune.space import Point

BOOK = "trials.jsonl"
STATES = ("ok", "infeasible", "failed", "crashed", "timeout")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial came out on one rung.

    Attributes:
        state: one of STATES. `infeasible`: below the floor, or out of memory.
        figures: metric → value (of repeated timings the median).
        reason: a sentence, unless it is ok.
        repeats: the single timings of the objective.
        quality_key: of content, arguments and versions; `speed_key`: of these and the machine.
        cause: of an infeasible one that measured nothing: `refused`, `memory` or `degraded`; "" for any other.
        origin: where it was measured, when it was not here; `quality_origin`: the same of its quality alone.
    """

    state: str
    figures: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    repeats: tuple[float, ...] = ()
    quality_key: str = ""
    speed_key: str = ""
    cause: str = ""
    origin: str = ""
    quality_origin: str = ""


@dataclass(slots=True)
class Trial:
    """One point under its number; `outcomes` by rung, and who holds it on which rung."""

    number: int
    point: Point
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    held: dict[int, Owner] = field(default_factory=dict)

    @property
    def rung(self) -> int:
        """The highest rung it was told on; -1 when on none."""
        return max(self.outcomes, default=-1)

    @property
    def state(self) -> str:
        """On its highest rung; `open` when on none."""
        return self.outcomes[self.rung].state if self.outcomes else "open"

    @property
    def figures(self) -> Mapping[str, float]:
        """Of its highest rung."""
        return self.outcomes[self.rung].figures if self.outcomes else {}

    def busy(self, rung: int, folder: Path) -> bool:
        """Whether somebody who lives holds it on this rung."""
        return rung in self.held and is_alive(self.held[rung], folder)


class TrialBook:
    """Trials of one search, in a folder that several searches may share.

    Args:
        folder: made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / BOOK
        self._lock = FileLock(folder / ".lock")

    def trials(self) -> list[Trial]:
        """All trials by number, as the file has them now."""
        return list(read_trials(self.file).values())

    def claim(self, point: Point, rung: int = 0, *, most: int | None = None) -> int | None:
        """Take a point for this process.

        Args:
            point: what is to be tried.
            rung: on how large a sample.
            most: numbers are given up to this many; more are refused.

        Returns:
            its number (of a trial whose holder died, or that goes on to a next rung, the one it had); None when it was
            told already, when a living process holds it, or when there are `most` already.
        """
        with self._writing() as write:
            trials = read_trials(self.file)
            trial = next((t for t in trials.values() if t.point.digest == point.digest), None)
            if trial and (rung in trial.outcomes or trial.busy(rung, self.folder)):
                return None
            if trial is None and most is not None and len(trials) >= most:
                return None
            number = trial.number if trial else len(trials)
            owner = this_process().to_json()
            write({"event": "claim", "number": number, "rung": rung, "values": point.as_dict(), "owner": owner})
            return number

    def tell(
        self,
        number: int,
        state: str,
        figures: Mapping[str, float],
        *,
        reason: str = "",
        rung: int = 0,
        repeats: Sequence[float] = (),
        quality_key: str = "",
        speed_key: str = "",
        cause: str = "",
        origin: str = "",
        quality_origin: str = "",
    ) -> bool:
        """Write down how a trial came out; the words are those of `Outcome`.

        Returns:
            False when that was told already: the first word stands.

        Raises:
            ValueError: for a state or a number there is not.
        """
        if state not in STATES:
            raise ValueError(f"{state!r} is no state of a trial; use {', '.join(STATES)}")
        with self._writing() as write:
            trial = read_trials(self.file).get(number)
            if trial is None:
                raise ValueError(f"{self.file}: there is no trial {number} to tell of; claim it first")
            if rung in trial.outcomes:
                return False
            said = {"event": "tell", "number": number, "rung": rung, "state": state, "figures": dict(figures)}
            said |= {"reason": reason, "repeats": list(repeats), "quality_key": quality_key, "speed_key": speed_key}
            where = {"cause": cause, "origin": origin, "quality_origin": quality_origin}
            write(said | {name: value for name, value in where.items() if value})
            return True

    def release(self, number: int, rung: int = 0) -> None:
        """Give a claim of this process back, so that anybody may take it at once."""
        with self._writing() as write:
            write({"event": "release", "number": number, "rung": rung, "owner": this_process().to_json()})

    def beat(self) -> None:
        """Show other machines that this process lives; on its own machine it is seen without. Every half minute."""
        beat(self.folder)

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        with self._lock:
            handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
            try:
                _cut_torn_line(handle)
                yield lambda event: _write_line(handle, event)
            finally:
                os.close(handle)


def _write_line(handle: int, event: dict[str, Any]) -> None:
    line = json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    written = os.write(handle, line)
    if written != len(line):
        raise OSError(f"only {written} of {len(line)} bytes could be written: make room on the disk")
    os.fsync(handle)


def _cut_torn_line(handle: int, block: int = 4096) -> None:
    """Cut the file after its last newline."""
    size = end = os.lseek(handle, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - block)
        os.lseek(handle, start, os.SEEK_SET)
        newline = os.read(handle, end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(handle, end)


def read_trials(file: Path) -> dict[int, Trial]:
    """Number → trial, of a book that others may be writing."""
    trials: dict[int, Trial] = {}
    for _, event in read_lines(file):
        if event is not None:
            _apply(trials, event)
    return trials


def _apply(trials: dict[int, Trial], event: Mapping[str, Any]) -> None:
    number, rung = int(event["number"]), int(event["rung"])
    if event["event"] == "claim":
        trial = trials.setdefault(number, Trial(number, Point(tuple(event["values"].items()))))
        trial.held[rung] = Owner.from_json(event["owner"])
    elif event["event"] == "tell":
        trials[number].held.pop(rung, None)
        trials[number].outcomes[rung] = _outcome(event)
    elif event["event"] == "release" and trials[number].held.get(rung) == Owner.from_json(event["owner"]):
        del trials[number].held[rung]


def _outcome(event: Mapping[str, Any]) -> Outcome:
    where = {name: str(event.get(name, "")) for name in ("cause", "origin", "quality_origin")}
    return Outcome(
        event["state"], event["figures"], event["reason"], tuple(event["repeats"]), event["quality_key"],
        event["speed_key"], **where,
    )  # fmt: skip

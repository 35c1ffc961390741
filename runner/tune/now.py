"""What the settings reach that a search begins with: the floor of `'>=now'`, and what a gain is told against."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.record.rundir import read_json, write_json
from runner.tune.runs import TrialRunner
from runner.tune.space import Goal
from stages.contract import Failure, StageError

NOW = -1  # in place of a trial's number, where timings are told by it
_FILE = "now.json"
_TIMEOUT_S = 3600.0
_WITHIN = 1e-4  # share by which a score may be below that of now and still be as good


@dataclass(frozen=True, slots=True)
class Now:
    """Figures of the settings as they are, on the largest sample. `timings`: all values of the objective."""

    figures: Mapping[str, float]
    timings: Sequence[float]

    def floor(self, goal: Goal) -> float:
        """The least score (or the highest, where less is better) that is as good as now's.

        Raises:
            StageError: BAD_INPUT, when there is none.
        """
        if goal.metric not in self.figures:
            sentence = f"{goal.metric}: a run with the settings as they are has none; write a number in place of now"
            raise StageError(Failure.BAD_INPUT, sentence)
        value = self.figures[goal.metric]
        return value - goal.sign * _WITHIN * abs(value)

    def gain(self, timings: Sequence[float], goal: Goal) -> float:
        """How many times better the objective is, by medians; above 1 is better. 0 when it cannot be told."""
        if not self.timings or not timings:
            return 0.0
        before, after = statistics.median(self.timings), statistics.median(timings)
        ratio = after / before if before else 0.0
        return ratio if goal.sign > 0 or not ratio else 1 / ratio


def replaced_now(folder: Path, now: Now, timings: Sequence[float]) -> Now:
    """Now with all its timings, which the search's folder remembers."""
    write_json(folder / _FILE, {"figures": dict(now.figures), "timings": list(timings)})
    return replace(now, timings=list(timings))


def measured_now(folder: Path, runner: TrialRunner, files: Sequence[Path], goal: Goal, timeout_s: float = 0.0) -> Now:
    """As the search's folder knows it, else by one run, which the folder then knows.

    Args:
        folder: of the search.
        runner: of its trials.
        files: the largest sample.
        goal: the objective.
        timeout_s: longest time of the run; 0: an hour.

    Raises:
        StageError: BAD_INPUT, when the settings as they are cannot be run.
        KeyboardInterrupt: when it was interrupted.
    """
    if not (folder / _FILE).is_file():
        found = runner.measure(runner.job((), timeout_s or _TIMEOUT_S), files)
        if found.state != "ok":
            sentence = f"the settings as they are cannot be measured: {found.reason}"
            raise StageError(Failure.BAD_INPUT, sentence)
        timings = [found.figures[goal.metric]] if goal.metric in found.figures else []
        write_json(folder / _FILE, {"figures": dict(found.figures), "timings": timings})
    said = read_json(folder / _FILE)
    return Now(said["figures"], said["timings"])

"""One trial as a job of its own: composed, checked, run in a child process, told to MLflow, and judged."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.compose import compose
from runner.config.environment import environment_overrides
from runner.execute.launch import Job, RefusedError, launch, prepare
from runner.record.jsonl import read_lines
from runner.record.rundir import RunDir, read_json
from runner.record.tracking import Tracker

# Every trial measures what it was asked to measure: no other encoder, no smaller batch, no finished work.
_HONEST = ("quality.sample=all", "on_oom=fail", "encoder.fallback=none", "cache.fresh=always", "progress=off")
_MEMORY = ("gpu_oom", "host_oom")


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a trial.

    Attributes:
        state: ok, infeasible (it does not fit, or does not exist here), failed, crashed or timeout.
        reason: one sentence where it is not ok.
        figures: flat metrics of the run.
        run: folder of the run; None when it was refused.
    """

    state: str
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    run: Path | None = None


@dataclass(slots=True)
class TrialRunner:
    """Runs trials of one search.

    Args:
        folder: of the search; its `jobs.jsonl` names every run.
        base: overrides that every trial has.
        tracker: tells MLflow.
        config_dir: a further folder of YAML.
    """

    folder: Path
    base: Sequence[str]
    tracker: Tracker
    config_dir: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def measure(
        self, overrides: Sequence[str], files: Sequence[Path], timeout_s: float, trial: tuple[int, int] | None = None
    ) -> Measured:
        """Run it once.

        Args:
            overrides: of the trial.
            files: the input.
            timeout_s: longest time.
            trial: number and rung, when its outcome is not known yet: a job of it that ended, though nobody lived to
                tell of it, is that outcome. None to run it in any case.

        Raises:
            KeyboardInterrupt: when it was interrupted.
        """
        if trial is not None and (ended := self._ended(trial)) is not None:
            return self._judged(read_json(ended.run_json), ended, timeout_s)
        label = {} if trial is None else {"trial": list(trial)}
        words = [*_without(self.base, overrides), *overrides]
        sweep = read_json(self.folder / "sweep.json")
        honest = [word for word in _HONEST if word.partition("=")[0] not in {w.partition("=")[0] for w in words}]
        every = [*words, *honest, f"job_timeout_s={timeout_s:g}"]
        composition = compose(every, environment_overrides(), self.config_dir)
        number = self._next()
        names = [str(file) for file in files]
        job = Job(composition, names, words, sweep["id"], number, sweep.get("mlflow_run_id"))
        try:
            prepared = prepare(job)
        except RefusedError as refused:
            said = [problem.sentence() for problem in refused.problems]
            self._note({"job": number, **label, "overrides": list(overrides), "refused": said})
            return Measured("infeasible", f"refused: {said[0]}")
        self._note({"job": number, **label, "run_dir": str(prepared.run.root), "overrides": list(overrides)})
        summary = launch(job, prepared, self.tracker).summary
        return self._judged(summary, prepared.run, timeout_s)

    def _ended(self, trial: tuple[int, int]) -> RunDir | None:
        """The run of a job of this trial that came to its own end."""
        for _, line in read_lines(self.folder / "jobs.jsonl"):
            if line and line.get("trial") == list(trial) and line.get("run_dir"):
                run = RunDir(Path(line["run_dir"]))
                if read_json(run.run_json).get("status") in ("ok", "partial", "failed"):
                    return run
        return None

    def _judged(self, summary: Mapping[str, Any], run: RunDir, timeout_s: float) -> Measured:
        figures = {name: float(value) for name, value in (summary.get("metrics") or {}).items()}
        status = summary["status"]
        if status == "ok" and not summary.get("degraded"):
            return Measured("ok", "", figures, run.root)
        if status == "ok":
            return Measured("infeasible", "it ran with other settings than were asked for", figures, run.root)
        if status == "killed":
            reason = str(summary.get("reason") or "")
            if "longer" in reason or "time" in reason:
                return Measured("timeout", f"not done after {timeout_s:g} s", figures, run.root)
            raise KeyboardInterrupt
        failure, sentence = _first_failure(run)
        state = "infeasible" if failure in _MEMORY else "crashed" if failure == "crashed" else "failed"
        return Measured(state, sentence, figures, run.root)

    def _next(self) -> int:
        return sum(1 for _ in read_lines(self.folder / "jobs.jsonl"))

    def _note(self, line: dict[str, Any]) -> None:
        with self._lock, (self.folder / "jobs.jsonl").open("ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _without(base: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The common words but those that the trial sets itself."""
    keys = {word.partition("=")[0] for word in overrides}
    return [word for word in base if word.partition("=")[0] not in keys]


def _first_failure(run: RunDir) -> tuple[str, str]:
    for _, letter in read_lines(run.failures):
        if letter:
            return str(letter["failure"]), str(letter["sentence"])
    return "failed", str(read_json(run.run_json).get("reason") or "it made none of its items")

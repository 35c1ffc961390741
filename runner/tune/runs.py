"""One trial as a job of its own: composed, checked, run in a child process, told to MLflow, and judged."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.compose import Composition, compose
from runner.config.environment import environment_overrides
from runner.execute.launch import Job, Prepared, RefusedError, launch, prepare
from runner.plan.plan import save_plan
from runner.record.jsonl import read_lines
from runner.record.rundir import RunDir, read_json
from runner.record.tracking import Tracker
from runner.tune.known import MEMORY, Taken

# Every trial measures what it was asked to measure: no other encoder, no smaller batch, no finished work.
_HONEST = (
    "quality.sample=all",
    "quality.after=true",
    "on_oom=fail",
    "encoder.fallback=none",
    "cache.fresh=always",
    "progress=off",
)
_UNSCORED = "quality.sample=0"
_MEMORY = ("gpu_oom", "host_oom")
_ENDED = ("ok", "partial", "failed")
REFUSED, DEGRADED = "refused", "degraded"


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a trial.

    Attributes:
        state: ok, infeasible (it does not fit, or does not exist here), failed, crashed or timeout.
        reason: one sentence where it is not ok.
        figures: flat metrics of the run.
        run: folder of the run; None when it was refused.
        cause: of an infeasible one: refused, memory or degraded.
    """

    state: str
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    run: Path | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A trial as it will be run.

    Attributes:
        overrides: its own words.
        words: all of them.
        composition: what they come to.
        timeout_s: longest time.
        quality: what its result is like, when that is known: it is not scored.
    """

    overrides: tuple[str, ...]
    words: tuple[str, ...]
    composition: Composition
    timeout_s: float
    quality: Taken | None = None


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

    def job(self, overrides: Sequence[str], timeout_s: float, quality: Taken | None = None) -> TrialJob:
        """Compose a trial; with a known quality it will not be scored."""
        own = (*overrides, _UNSCORED) if quality else tuple(overrides)
        words = [*_without(self.base, own), *own]
        named = {word.partition("=")[0] for word in words}
        honest = [word for word in _HONEST if word.partition("=")[0] not in named]
        every = [*words, *honest, f"job_timeout_s={timeout_s:g}"]
        composition = compose(every, environment_overrides(), self.config_dir)
        return TrialJob(own, tuple(words), composition, timeout_s, quality)

    def measure(self, job: TrialJob, files: Sequence[Path], trial: tuple[int, int] | None = None) -> Measured:
        """Run it once.

        Args:
            job: the trial.
            files: the input.
            trial: number and rung, when its outcome is not known yet: a job of it that ended, though nobody lived to
                tell of it, is that outcome. None to run it in any case.

        Raises:
            KeyboardInterrupt: when it was interrupted.
        """
        if trial is not None and (ended := self._ended(job, trial)) is not None:
            return _judged(read_json(ended.run_json), ended, job.timeout_s)
        sweep = read_json(self.folder / "sweep.json")
        number, names = self._next(), [str(file) for file in files]
        known = {"figures": dict(job.quality.figures), "from": job.quality.origin} if job.quality else {}
        asked = Job(job.composition, names, list(job.words), sweep["id"], number, sweep.get("mlflow_run_id"), known)
        line = {"job": number, **({} if trial is None else {"trial": list(trial)}), "overrides": list(job.overrides)}
        try:
            prepared = prepare(asked)
        except RefusedError as refused:
            said = [problem.sentence() for problem in refused.problems]
            self._note({**line, "refused": said})
            return Measured("infeasible", f"refused: {said[0]}", cause=REFUSED)
        if job.quality:
            prepared = _with_known(prepared, job.quality)
            line |= {"quality_of": job.quality.origin}
        self._note({**line, "run_dir": str(prepared.run.root)})
        summary = launch(asked, prepared, self.tracker).summary
        return _judged(summary, prepared.run, job.timeout_s)

    def note_taken(self, trial: tuple[int, int], overrides: Sequence[str], taken: Taken) -> None:
        """Put a result that was not measured here among the jobs, with where it is from; once, however often told."""
        if any(line and line.get("taken") and line["trial"] == list(trial) for _, line in self._lines()):
            return
        run = {"run_dir": str(taken.run)} if taken.run else {}
        line = {"job": self._next(), "trial": list(trial), "overrides": list(overrides), "taken": taken.origin, **run}
        state = "failed" if taken.cause else "ok"
        self._note({**line, "state": state, "figures": dict(taken.figures)})

    def _ended(self, job: TrialJob, trial: tuple[int, int]) -> RunDir | None:
        """The run of a job of this trial that came to its own end."""
        for _, line in self._lines():
            same = line and line.get("trial") == list(trial) and line["overrides"] == list(job.overrides)
            if line and same and line.get("run_dir") and not line.get("taken"):
                run = RunDir(Path(line["run_dir"]))
                if read_json(run.run_json).get("status") in _ENDED:
                    return run
        return None

    def _lines(self) -> list[tuple[int, dict[str, Any] | None]]:
        return list(read_lines(self.folder / "jobs.jsonl"))

    def _next(self) -> int:
        return len(self._lines())

    def _note(self, line: dict[str, Any]) -> None:
        with self._lock, (self.folder / "jobs.jsonl").open("ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _without(base: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The common words but those that the trial sets itself."""
    keys = {word.partition("=")[0] for word in overrides}
    return [word for word in base if word.partition("=")[0] not in keys]


def _with_known(prepared: Prepared, quality: Taken) -> Prepared:
    """The run says that it was not scored, and why."""
    note = f"not scored: its quality is known from {quality.origin}"
    plan = dataclasses.replace(prepared.plan, notes=(*prepared.plan.notes, note))
    save_plan(plan, prepared.run.plan_json)
    return dataclasses.replace(prepared, plan=plan)


def _judged(summary: Mapping[str, Any], run: RunDir, timeout_s: float) -> Measured:
    figures = {name: float(value) for name, value in (summary.get("metrics") or {}).items()}
    status = summary["status"]
    if status == "ok" and not summary.get("degraded"):
        return Measured("ok", "", figures, run.root)
    if status == "ok":
        reason = "it ran with other settings than were asked for"
        return Measured("infeasible", reason, figures, run.root, DEGRADED)
    if status == "killed":
        reason = str(summary.get("reason") or "")
        if "longer" in reason or "time" in reason:
            return Measured("timeout", f"not done after {timeout_s:g} s", figures, run.root)
        raise KeyboardInterrupt
    failure, sentence = _first_failure(run)
    if failure in _MEMORY:
        return Measured("infeasible", sentence, figures, run.root, MEMORY)
    return Measured("crashed" if failure == "crashed" else "failed", sentence, figures, run.root)


def _first_failure(run: RunDir) -> tuple[str, str]:
    for _, letter in read_lines(run.failures):
        if letter:
            return str(letter["failure"]), str(letter["sentence"])
    return "failed", str(read_json(run.run_json).get("reason") or "it made none of its items")

"""`reeltune tune …`: the fastest settings that keep a quality floor on this machine, found and kept as a profile."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from runner.commands.run import compose_words, refuse, store_of
from runner.config.arguments import Arguments
from runner.execute.launch import Job, Prepared, RefusedError, prepare
from runner.plan.prepare import find_inputs
from runner.record.compare import compare_sweep
from runner.record.rundir import RunDir, read_json, write_json
from runner.record.tracking import Tracker, reconcile
from runner.tune.ending import finish
from runner.tune.narrow import narrowed
from runner.tune.past import past_trials
from runner.tune.quest import Quest, as_asked
from runner.tune.request import TuneRequest, read_request
from runner.tune.runs import TrialRunner
from runner.tune.search import Ask, Search
from runner.tune.space import SearchSpace
from runner.tune.spacefile import Sizes, SpaceError, read_space
from runner.tune.study import Sample, Study
from runner.tune.told import show
from runner.tune.trials import TrialBook
from stages.contract import StageError
from stages.settings import Problem

_TRACKER_START_S = 15.0
_EXIT_CODES = {"ok": 0, "failed": 1, "killed": 130}


def tune(arguments: Arguments) -> int:
    """Search, or with `show` tell what searches found; the exit code."""
    if arguments.files[:1] == ["show"]:
        return show(Path("outputs"), arguments.files[1:])
    request, problems = read_request(arguments.overrides)
    try:
        quest = _looked_at(arguments, request, problems)
    except RefusedError as refused:
        return refuse(refused.problems)
    except SpaceError as error:
        return refuse([*problems, *error.problems])
    try:
        return _Tuning(arguments, quest).run()
    except StageError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 1


def _looked_at(arguments: Arguments, request: TuneRequest, problems: list[Problem]) -> Quest:
    """The search, ready to begin.

    Raises:
        RefusedError: with every problem. SpaceError: for a space that cannot be read.
    """
    job = Job(compose_words(dataclasses.replace(arguments, overrides=list(request.words))), arguments.files)
    with tempfile.TemporaryDirectory(prefix="reeltune-tune-") as folder:
        prepared = prepare(job, RunDir(Path(folder)), look=False)
    if problems:
        raise RefusedError(problems)
    held = () if request.as_good_as_now else request.words  # else words tell what there is now, to be bettered
    space, problems = narrowed(_space(request, prepared), held)
    if problems:
        raise RefusedError(problems)
    files, _ = find_inputs(prepared.checked, arguments.files)
    return Quest(request, prepared, as_asked(space, request), files)


def _space(request: TuneRequest, prepared: Prepared) -> SearchSpace:
    cpu, pipeline = prepared.machine.cpu, prepared.plan.pipeline
    space = read_space(request.search or pipeline, Sizes(cpu.usable_cores, max(1, int(cpu.usable_threads))))
    if space.pipeline != pipeline:
        mend = f"name pipeline={space.pipeline}, or another search"
        raise RefusedError([Problem("search", f"{space.name} is a space of the pipeline {space.pipeline}", mend)])
    return space


class _Tuning:
    """One search, from its folder to its last word."""

    def __init__(self, arguments: Arguments, quest: Quest) -> None:
        self._arguments, self._quest, self._folder = arguments, quest, quest.folder

    def run(self) -> int:
        quest = self._quest
        self._folder.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"search {self._folder}: {quest.total} of {quest.space.size} points\n")
        made = quest.samples()
        tracker = Tracker(store_of(quest.prepared.checked.root))
        lock = FileLock(self._folder / ".search.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:  # somebody searches here: help along, the other one tells the end
            return self._search(tracker, made, alone=False)
        with lock:
            reconcile(quest.outputs, tracker)
            self._begin()
            tracker.open_sweep(self._folder, _TRACKER_START_S)
            try:
                return self._search(tracker, made, alone=True)
            finally:
                tracker.close()

    def _begin(self) -> None:
        """Write what is told of the search; one that was stopped goes on as the same run of MLflow."""
        before = read_json(self._folder / "sweep.json")
        words = [*self._arguments.overrides, *(str(file) for file in self._arguments.files)]
        started = before.get("started_at") or datetime.now().astimezone().isoformat(timespec="seconds")
        told = {
            "id": f"tune-{self._folder.name}", "pipeline": self._quest.pipeline, "overrides": words,
            "started_at": started, "status": "running", "kind": "tune", "pid": os.getpid(), "epoch": time.time(),
        }  # fmt: skip
        write_json(self._folder / "sweep.json", {**before, **told})
        tracking = read_json(self._folder / "tracking.json")
        if tracking.get("closed"):
            write_json(self._folder / "tracking.json", {**tracking, "closed": None})

    def _search(self, tracker: Tracker, made: Sequence[Sample], *, alone: bool) -> int:
        status = "killed"
        try:
            study = self._study(tracker, made)
            self._take_past(study)
            study.run()
            status = "ok"
            return finish(self._quest, study) if alone else 0
        except KeyboardInterrupt:
            return 130
        except StageError:
            status = "failed"
            raise
        finally:
            if alone:
                self._end(tracker, status)

    def _study(self, tracker: Tracker, made: Sequence[Sample]) -> Study:
        request, book = self._quest.request, TrialBook(self._folder / "book")
        words = [*self._quest.space.words, *request.words]  # the later of two that say the same counts
        runner = TrialRunner(self._folder, words, tracker, self._arguments.config_dir)
        now = self._quest.now(runner, made) if request.as_good_as_now else None
        space = self._quest.fitted(made, now)
        sampler = request.sampler or None
        search = Search(space, book, sampler=sampler, total=request.trials, seed=request.seed, rungs=len(made))
        return Study(space, search, book, runner, made, self._quest.memory(made), request.timeout_s, _say)

    def _take_past(self, study: Study) -> None:
        """Jobs of past sweeps count as trials on the largest sample."""
        machine, rung = self._quest.prepared.machine.fingerprint, len(study.samples) - 1
        for point, taken in past_trials(self._quest.request.sources, self._quest.outputs, study.space, machine):
            number = study.book.claim(point, rung=rung)
            if number is not None:
                study.take(Ask(number, point, rung), taken)

    def _end(self, tracker: Tracker, status: str) -> None:
        sweep = read_json(self._folder / "sweep.json")
        write_json(self._folder / "sweep.json", {**sweep, "status": status, "exit_code": _EXIT_CODES[status]})
        picture = compare_sweep(self._folder)
        if error := tracker.close_sweep(self._folder):
            _say(f"tracking: {error}")
        _say(f"compare  {picture}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

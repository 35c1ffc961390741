"""`reeltune tune …`: the fastest settings that keep a quality floor on this machine, found and kept as a profile."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from runner.commands.run import compose_words, refuse, store_of
from runner.config.arguments import Arguments
from runner.config.tuned import watched
from runner.execute.launch import Job, Prepared, RefusedError, prepare, versions
from runner.plan.prepare import find_inputs
from runner.record.compare import compare_sweep
from runner.record.rundir import RunDir, read_json, write_json
from runner.record.tracking import Tracker, reconcile
from runner.tune.importance import importance
from runner.tune.known import quality_key, speed_key
from runner.tune.past import past_trials
from runner.tune.pick import pick, spread_of
from runner.tune.profile import Origin, profile_name, write_profile
from runner.tune.request import TuneRequest, read_request
from runner.tune.runs import TrialRunner
from runner.tune.search import Search
from runner.tune.space import Goal, SearchSpace
from runner.tune.spacefile import Sizes, SpaceError, read_space
from runner.tune.study import FINALISTS, Sample, Study, samples, study_id
from runner.tune.told import table, write_outcome
from runner.tune.trials import TrialBook
from stages.contract import StageError
from stages.registry import source_class
from stages.settings import Problem

_TRACKER_START_S = 15.0


def tune(arguments: Arguments) -> int:
    """Search, or with `show` tell what searches found; the exit code."""
    if arguments.files[:1] == ["show"]:
        from runner.tune.told import show

        return show(Path("outputs"), arguments.files[1:])
    request, problems = read_request(arguments.overrides)
    try:
        prepared, space, files = _looked_at(arguments, request, problems)
    except RefusedError as refused:
        return refuse(refused.problems)
    except SpaceError as error:
        return refuse([*problems, *error.problems])
    try:
        return _Tuning(arguments, request, prepared, space, files).run()
    except StageError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 1


def _looked_at(
    arguments: Arguments, request: TuneRequest, problems: list[Problem]
) -> tuple[Prepared, SearchSpace, list[Path]]:
    """The job that every trial is a variation of, checked; the space; the input.

    Raises:
        RefusedError: with every problem. SpaceError: for a space that cannot be read.
    """
    import tempfile

    job = Job(compose_words(dataclasses.replace(arguments, overrides=list(request.words))), arguments.files)
    with tempfile.TemporaryDirectory(prefix="reeltune-tune-") as folder:
        prepared = prepare(job, RunDir(Path(folder)), look=False)
    if problems:
        raise RefusedError(problems)
    cpu = prepared.machine.cpu
    sizes = Sizes(cores=cpu.usable_cores, threads=max(1, int(cpu.usable_threads)))
    space = read_space(request.search or prepared.plan.pipeline, sizes)
    if space.pipeline != prepared.plan.pipeline:
        mend = f"name pipeline={space.pipeline}, or another search"
        raise RefusedError([Problem("search", f"{space.name} is a space of the pipeline {space.pipeline}", mend)])
    files, _ = find_inputs(prepared.checked, arguments.files)
    return prepared, _as_asked(space, request), files


def _as_asked(space: SearchSpace, request: TuneRequest) -> SearchSpace:
    changes: dict[str, Any] = {}
    if request.floor:
        changes = {"quality": Goal(request.floor[0], "max"), "floor": request.floor[1]}
    if request.sampler:
        changes["sampler"] = request.sampler
    if request.trials:
        changes["trials"] = request.trials
    if request.repeats:
        changes["repeats"] = dataclasses.replace(space.repeats, most=request.repeats)
    return dataclasses.replace(space, **changes)


class _Tuning:
    """One search, from its folder to its profile."""

    def __init__(
        self, arguments: Arguments, request: TuneRequest, prepared: Prepared, space: SearchSpace, files: list[Path]
    ) -> None:
        self._request, self._prepared, self._space = request, prepared, space
        self._arguments, self._files = arguments, files
        self._versions = versions(prepared.plan)
        self._outputs = Path(prepared.checked.root.outputs_dir).absolute()
        self._content = _content(files)
        parts = {"space": space.digest, "floor": space.floor, "quality": space.quality, "words": request.words,
                 "input": self._content, "machine": prepared.machine.fingerprint, "seed": request.seed}  # fmt: skip
        self._folder = self._outputs / "tune" / study_id(prepared.plan.pipeline, parts)

    def run(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        total = self._space.size if self._space.sampler == "grid" and not self._request.trials else self._space.total
        sys.stdout.write(f"search {self._folder}: {min(total, self._space.size)} of {self._space.size} points\n")
        source = source_class(self._prepared.plan.source)(_source_settings(self._prepared))
        made = samples(source, self._files, self._space, self._folder)
        tracker = Tracker(store_of(self._prepared.checked.root))
        lock = FileLock(self._folder / ".search.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:  # somebody searches here: help along, the other one tells the end
            return self._search(tracker, made, alone=False)
        with lock:
            reconcile(self._outputs, tracker)
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
            "id": f"tune-{self._folder.name}", "pipeline": self._prepared.plan.pipeline, "overrides": words,
            "started_at": started, "status": "running", "kind": "tune", "pid": os.getpid(), "epoch": time.time(),
        }  # fmt: skip
        write_json(self._folder / "sweep.json", {**before, **told})
        tracking = read_json(self._folder / "tracking.json")
        if tracking.get("closed"):
            write_json(self._folder / "tracking.json", {**tracking, "closed": None})

    def _search(self, tracker: Tracker, made: Sequence[Sample], *, alone: bool) -> int:
        book = TrialBook(self._folder / "book")
        runner = TrialRunner(self._folder, self._request.words, tracker, self._arguments.config_dir)
        space = self._fitted_rungs(len(made))
        search = Search(
            space,
            book,
            sampler=self._request.sampler or None,
            total=self._request.trials,
            seed=self._request.seed,
            rungs=len(made),
        )
        study = Study(space, search, book, runner, made, self._keys, self._request.timeout_s, _say)
        status = "killed"
        try:
            self._take_past(search, space, len(made))
            study.run()
            status = "ok"
            return self._finish(study, space, made) if alone else 0
        except KeyboardInterrupt:
            return 130
        finally:
            if alone:
                self._end(tracker, status)

    def _fitted_rungs(self, rungs: int) -> SearchSpace:
        """No more rungs than the input has samples."""
        given = self._space.samples
        cut = dataclasses.replace(given, seconds=given.seconds[:rungs], items=given.items[:rungs])
        return dataclasses.replace(self._space, samples=cut)

    def _take_past(self, search: Search, space: SearchSpace, rungs: int) -> None:
        for past in past_trials(self._request.sources, self._outputs, space, self._prepared.machine.fingerprint):
            if search.book.claim(past.point, rung=rungs - 1) is not None:
                number = next(t.number for t in search.book.trials() if t.point == past.point)
                search.tell(number, past.state, past.figures, reason=past.reason, rung=rungs - 1)
                _say(f"#{number} taken from {past.origin}")

    def _keys(self, point: Any, rung: int) -> tuple[str, str]:
        args = {**point.as_dict(), "words": self._request.words, "rung": rung}
        quality = quality_key(self._content, args, watched(self._versions))
        return quality, speed_key(quality, self._prepared.machine.fingerprint)

    # --- the end -------------------------------------------------------------------------------

    def _finish(self, study: Study, space: SearchSpace, made: Sequence[Sample]) -> int:
        trials = study.book.trials()
        found = pick(trials, space)
        if found is None:
            bound = f"{space.quality.metric} ≥ {space.floor:g}" if space.quality and space.floor else "the floor"
            sys.stderr.write(f"no trial kept {bound}: lower it, or let the space hold better qualities\n")
            write_outcome(self._folder, space, trials, None, {}, None)
            return 1
        goal = space.objective
        feasible = [t for t in trials if t.state == "ok" and goal.metric in t.figures and t.rung == len(made) - 1]
        feasible.sort(key=lambda t: goal.sign * t.figures[goal.metric], reverse=True)
        finalists = [*found.alike, found.trial]
        finalists = list({t.number: t for t in [found.trial, *finalists, *feasible[:FINALISTS]]}.values())[
            : FINALISTS + 1
        ]
        known = read_json(self._folder / "search.json").get("timings") or {}
        timed = {trial.number: values for trial, values in study.finals(finalists, known)}
        best = _fastest(finalists, timed, goal)
        profile = self._profile(best, timed[best.number], space, made)
        shares = importance(trials, space, goal.metric)
        write_outcome(self._folder, space, trials, best, timed, profile, shares)
        sys.stdout.write(table(space, trials, best, timed, shares))
        noisy = [number for number, values in timed.items() if spread_of(values) > space.repeats.spread]
        if noisy:
            limit = f"{100 * space.repeats.spread:.0f} %"
            _say(f"note: timings spread by more than {limit}: this machine is busy with other work")
        sys.stdout.write(f"profile  {profile}\nuse it   profile={profile.stem}\n")
        return 0

    def _profile(self, best: Any, values: Sequence[float], space: SearchSpace, made: Sequence[Sample]) -> Path:
        root, machine = self._prepared.checked.root, self._prepared.machine
        sweep = read_json(self._folder / "sweep.json")
        figures = best.figures
        names = ", ".join(file.name for file in self._files[:5])
        bound = f"{space.quality.metric} >= {space.floor:g}" if space.quality and space.floor is not None else "none"
        said = {
            "objective": _measure(space.objective.metric, values),
            "floor": bound,
            "reached": ", ".join(f"{n}={figures[n]:.4g}" for n in _shown(space) if n in figures),
            "data": f"{names} ({made[-1].amount}, digest {self._content[:16]})",
            "trials": f"{len(TrialBook(self._folder / 'book').trials())} of {space.size} points",
            "when": datetime.now().astimezone().isoformat(timespec="seconds"),
            "versions": ", ".join(f"{k} {v}" for k, v in watched(self._versions).items()),
            "MLflow run": str(sweep.get("mlflow_run_id") or "not tracked"),
            "search": str(self._folder),
        }
        origin = Origin(
            self._prepared.plan.pipeline, machine.fingerprint, machine.cpu.model, watched(self._versions), said
        )
        base = dataclasses.asdict(root.profile)
        name = self._request.name or profile_name(root.hardware.name, origin.pipeline)
        return write_profile(Path.cwd() / "conf" / "profile", name, base, best.point.as_dict(), origin)

    def _end(self, tracker: Tracker, status: str) -> None:
        sweep = read_json(self._folder / "sweep.json")
        write_json(self._folder / "sweep.json", {**sweep, "status": status, "exit_code": 0 if status == "ok" else 130})
        picture = compare_sweep(self._folder)
        if error := tracker.close_sweep(self._folder):
            _say(f"tracking: {error}")
        _say(f"compare  {picture}")


def _fastest(finalists: Sequence[Any], timed: Mapping[int, Sequence[float]], goal: Goal) -> Any:
    import statistics

    having = [trial for trial in finalists if timed.get(trial.number)]
    return max(having, key=lambda trial: goal.sign * statistics.median(timed[trial.number]))


def _measure(metric: str, values: Sequence[float]) -> str:
    import statistics

    spread = f" ± {100 * spread_of(values):.1f} %" if len(values) > 2 else ""
    return f"{metric} {statistics.median(values):.4g}{spread} (median of {len(values)})"


def _shown(space: SearchSpace) -> list[str]:
    quality = [space.quality.metric] if space.quality else []
    return [space.objective.metric, *quality, *(goal.metric for goal in space.also)]


def _content(files: Sequence[Path]) -> str:
    import hashlib

    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as data:
            whole.update(hashlib.file_digest(data, "sha256").digest())
    return whole.hexdigest()


def _source_settings(prepared: Prepared) -> Any:
    from runner.config.typed import typed_settings

    source = source_class(prepared.plan.source)
    return typed_settings(source.config_class, prepared.checked.root.pipeline.source.get("settings") or {})


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

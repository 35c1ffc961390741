"""`reeltune -m …`: Hydra's sweepers and launchers over our jobs; and Hydra's own flags (`--cfg`, completion)."""

from __future__ import annotations

import functools
import json
import os
import secrets
import sys
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.commands.run import refuse, tell, tracking_uri
from runner.config.arguments import Arguments, quoted
from runner.config.compose import CONF, VERSION_BASE, Composition, compose, register_schema, search_override
from runner.config.environment import environment_overrides, load_dotenv_file
from runner.execute.launch import Finished, Job, RefusedError, check_job, launch, prepare
from runner.record.jobs import best_told, figures_told, read_jobs
from runner.record.rundir import read_json, write_json
from runner.record.tracking import Tracker, reconcile
from stages.settings import Problem

if TYPE_CHECKING:
    from omegaconf import DictConfig

_TRACKER_START_S = 15.0
_CHECKED_JOBS = 200  # beyond that only the first of them are checked before the sweep; each job checks itself anyway


def hydra_main(arguments: Arguments) -> int:
    """Run a sweep, or let Hydra answer one of its own flags; the exit code."""
    load_dotenv_file(Path.cwd())
    environment = {
        word: name
        for word, name in environment_overrides().items()
        if not any(o.partition("=")[0] == word.partition("=")[0] for o in arguments.overrides)
    }
    if arguments.flags:
        return _hydra([*environment, *arguments.overrides], arguments.flags, arguments.config_dir, _nothing)
    try:
        first = _check_all(arguments)
    except RefusedError as refused:
        return refuse(refused.problems)
    return _sweep(arguments, list(environment), first)


def _nothing(_config: DictConfig) -> int:
    return 0


def _hydra(overrides: list[str], flags: list[str], config_dir: str | None, task: Any) -> int:
    import hydra

    register_schema()
    before = sys.argv
    sys.argv = [before[0], *flags, *search_override(config_dir), *overrides]
    try:
        hydra.main(version_base=VERSION_BASE, config_path=str(CONF), config_name="config")(task)()
    finally:
        sys.argv = before
    return 0


def expand(overrides: list[str]) -> list[list[str]]:
    """Every combination that Hydra's basic sweeper will run, in its order.

    Raises:
        RefusedError: when a word cannot be read.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    choices: list[list[str]] = []
    for word in overrides:
        try:
            parsed = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise RefusedError(
                [Problem(word.partition("=")[0], str(error).splitlines()[0], "quote the value")]
            ) from None
        key = parsed.get_key_element()
        if parsed.is_sweep_override():
            choices.append([f"{key}={value}" for value in parsed.sweep_string_iterator()])
        else:
            choices.append([word])
    return [list(job) for job in product(*choices)]


def _check_all(arguments: Arguments) -> Composition:
    """Look at every job before the first one runs; the first job's config.

    Raises:
        RefusedError: with every problem of every job, each once.
    """
    jobs = expand(arguments.overrides)
    seen: dict[str, Problem] = {}
    first: Composition | None = None
    for overrides in jobs[:_CHECKED_JOBS]:
        composition = compose(
            [w for w in overrides if not w.startswith("hydra")], environment_overrides(), arguments.config_dir
        )
        first = first or composition
        try:
            check_job(Job(composition, arguments.files))
        except RefusedError as refused:
            seen.update({problem.sentence(): problem for problem in refused.problems})
    if seen:
        raise RefusedError(list(seen.values()))
    assert first is not None
    return first


def _new_sweep_dir(outputs: Path) -> Path:
    now = datetime.now().astimezone()
    folder = outputs / "sweeps" / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    return folder


def _sweep(arguments: Arguments, environment: list[str], first: Composition) -> int:
    from runner.record.compare import compare_sweep

    assert first.config is not None
    outputs = Path(first.config.outputs_dir).absolute()
    folder = _new_sweep_dir(outputs)
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    sweep: dict[str, Any] = {"id": f"{folder.parent.name}-{folder.name}", "pipeline": str(first.config.pipeline.name)}
    sweep |= {"overrides": arguments.overrides, "started_at": started, "status": "running"}
    write_json(folder / "sweep.json", sweep)
    tracker = _shared.tracker(tracking_uri(first))
    try:
        reconcile(outputs, tracker)
        # MLflow is loaded before the first job starts, so that no job pays for it in its measurement
        tracker.open_sweep(folder, _TRACKER_START_S)
        task = functools.partial(run_job, files=arguments.files, folder=folder, pid=os.getpid())
        interrupted = _run_jobs(arguments, environment, folder, task)
        code, status = _sweep_end(folder, interrupted)
        write_json(folder / "sweep.json", {**read_json(folder / "sweep.json"), "status": status, "exit_code": code})
        picture = compare_sweep(folder)
        error = tracker.close_sweep(folder)
    finally:
        _shared.close()
    sys.stdout.write(f"sweep {status}: {folder}\n")
    said = [*best_told(read_jobs(folder)), ("compare", str(picture))]
    width = max(len(head) for head, _ in said)
    sys.stdout.writelines(f"  {head:<{width}}  {text}\n" for head, text in said)
    if error:
        sys.stdout.write(f"  tracking: {error}\n")
    elif tracking_uri(first):
        sys.stdout.write("  in the browser: reeltune ui\n")
    return code


def _run_jobs(arguments: Arguments, environment: list[str], folder: Path, task: Any) -> bool:
    hydra_words = [f"hydra.sweep.dir={quoted(str(folder))}", "hydra.sweep.subdir=."]
    words = [*environment, *arguments.overrides, *hydra_words]
    try:
        _hydra(words, ["--multirun"], arguments.config_dir, task)
    except KeyboardInterrupt:
        return True
    return any(read_json(run / "run.json").get("status") == "killed" for run in job_dirs(folder))


class _Shared:
    """One tracker for all jobs that run in this process: MLflow is imported once per sweep, not once per job."""

    def __init__(self) -> None:
        self._trackers: dict[str | None, Tracker] = {}

    def tracker(self, uri: str | None) -> Tracker:
        return self._trackers.setdefault(uri, Tracker(uri))

    def close(self) -> None:
        for tracker in self._trackers.values():
            tracker.close()
        self._trackers.clear()


_shared = _Shared()


def run_job(config: DictConfig, *, files: list[str], folder: Path, pid: int) -> int:
    """One job of a sweep, in whatever process its launcher chose; the exit code."""
    from hydra.core.hydra_config import HydraConfig

    hydra_config = HydraConfig.get()
    number = int(hydra_config.job.num)
    overrides = list(hydra_config.overrides.task)
    user_keys = {word.partition("=")[0].lstrip("+") for word in overrides}
    composition = Composition(config=config, user_keys=user_keys)
    sweep = read_json(folder / "sweep.json")
    job = Job(composition, files, overrides, sweep=sweep["id"], number=number, parent_run_id=sweep.get("mlflow_run_id"))
    try:
        prepared = prepare(job)
    except RefusedError as refused:
        _note(folder, {"job": number, "overrides": overrides, "refused": [p.sentence() for p in refused.problems]})
        return refuse(refused.problems)
    _note(folder, {"job": number, "run_dir": str(prepared.run.root), "overrides": overrides})
    tracker = _shared.tracker(tracking_uri(composition))
    try:
        finished = launch(job, prepared, tracker)
    finally:
        if os.getpid() != pid:  # a launcher's own process: nobody else closes it
            _shared.close()
    _tell_job(number, overrides, finished)
    if finished.summary["status"] == "killed":
        raise KeyboardInterrupt
    return int(finished.summary["exit_code"])


def _tell_job(number: int, overrides: list[str], finished: Finished) -> None:
    """One line for a job that went well; the whole story for any other."""
    summary = finished.summary
    words = " ".join(w for w in overrides if w.partition("=")[0] not in ("pipeline", "progress", "input"))
    figures = figures_told(summary["metrics"]) or "no figures"
    sys.stdout.write(f"#{number} {words}: {summary['status']} in {summary['wall_s']:.1f} s, {figures}\n")
    if summary["status"] != "ok" or finished.tracking_error:
        tell(finished)
    sys.stdout.flush()


def _note(folder: Path, line: dict[str, Any]) -> None:
    """One line about a job; appended in one write, since jobs may run side by side."""
    with (folder / "jobs.jsonl").open("ab") as file:
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def job_dirs(folder: Path) -> list[Path]:
    """Run folders of a sweep's jobs."""
    file = folder / "jobs.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [Path(said["run_dir"]) for line in lines if (said := json.loads(line)).get("run_dir")]


def _sweep_end(folder: Path, interrupted: bool) -> tuple[int, str]:
    """Exit code and status from the jobs: all ok 0, some 3, none 1, interrupted 130."""
    if interrupted:
        return 130, "killed"
    codes = [int(read_json(run / "run.json").get("exit_code") or 0) for run in job_dirs(folder)]
    if codes and all(code == 0 for code in codes):
        return 0, "ok"
    return (3, "partial") if any(code in (0, 3) for code in codes) else (1, "failed")

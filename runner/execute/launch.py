"""One job from its composed config to its exit code."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from runner.config.compose import Composition
from runner.config.schema import Root
from runner.config.tuned import mismatches, watched
from runner.execute.supervise import Ending, JobProcess, Supervisor
from runner.hardware.budget import resolve
from runner.hardware.detect import detect
from runner.hardware.machine import Machine
from runner.plan.check import Checked, check
from runner.plan.index import Index
from runner.plan.plan import Plan
from runner.plan.prepare import cache_root, find_inputs, finish_plan, freeze_items, make_plan
from runner.record.masking import mask_text, mask_words
from runner.record.progress import view_for
from runner.record.report import write_report
from runner.record.rundir import SCHEMA_VERSION, RunDir, make_latest, new_run_dir, write_json
from runner.record.summary import finish_run
from runner.record.tracking import Tracker
from stages.media.ffmpeg import ffmpeg_binary
from stages.platform.files import write_atomic
from stages.settings import Problem

_PACKAGES = ("reeltune", "hydra-core", "av", "mlflow", "numpy", "edge-tts", "espeakng-loader")
_UNTOLD = ("pipeline", "input", "output", "outputs_dir", "temp_dir", "progress", "tracking", "cache", "rates")
_BALLAST = 1024 * 1024
_TRACKING_WAIT_S = 20.0


class RefusedError(Exception):
    """The config is refused; nothing was done."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.sentence() for problem in problems))
        self.problems = list(problems)


@dataclass(slots=True)
class Job:
    """What is asked for.

    `known` are `figures` of the result that were measured before, and `from` where: the run has them as its own.
    """

    composition: Composition
    files: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    sweep: str | None = None
    number: int | None = None
    parent_run_id: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Prepared:
    """A run that is ready to go."""

    run: RunDir
    plan: Plan
    checked: Checked
    machine: Machine


@dataclass(slots=True)
class Finished:
    """What came of it: `run.json` without its outputs, and what tracking said."""

    run: RunDir
    summary: dict[str, Any]
    tracking_error: str | None = None


def check_job(job: Job) -> tuple[Checked, list[Path]]:
    """Look at everything before any work.

    Raises:
        RefusedError: with every problem.
    """
    composition = job.composition
    config = composition.config or composition.rest
    if config is None:
        raise RefusedError(composition.problems)
    checked = check(config, composition.user_keys)
    files: list[Path] = []
    problems = [*composition.problems, *checked.problems]
    if checked.root.pipeline.name != "???" and checked.graph.nodes:
        files, missing = find_inputs(checked, job.files)
        problems.extend(missing)
    if problems:
        raise RefusedError([_named(problem, composition.variables) for problem in problems])
    return checked, files


def _named(problem: Problem, variables: Mapping[str, str]) -> Problem:
    """With the environment variable that the value came from."""
    variable = variables.get(problem.key)
    return dataclasses.replace(problem, key=f"{problem.key} (from {variable})") if variable else problem


def prepare(job: Job, run: RunDir | None = None, *, look: bool = True) -> Prepared:
    """Check, plan and freeze a job into a run folder.

    Raises:
        RefusedError: with every problem; a folder made for it is removed again.
    """
    checked, files = check_job(job)
    temp = Path(checked.root.temp_dir or checked.root.outputs_dir).absolute()
    machine = detect([temp], measure=False)
    made = run or new_run_dir(Path(checked.root.outputs_dir).absolute(), checked.root.pipeline.name)
    index = Index(cache_root(checked.root))
    try:
        plan, problems = make_plan(
            checked, resolve(checked.root.hardware, machine), made, in_sweep=job.sweep is not None
        )
        notes = (
            *plan.notes, *job.composition.notes, *_disk_notes(machine), *_cache_notes(index, checked.root),
            *mismatches(checked.root.profile.tuned, plan.pipeline, machine.fingerprint, watched(versions(plan))),
        )  # fmt: skip
        plan = dataclasses.replace(plan, notes=notes)
        plan = freeze_items(plan, checked, files, made, index)
        if plan.items == 0:
            names = ", ".join(str(file) for file in files[:3])
            problems.append(Problem("input", f"{names} holds no items: the list is empty", "put at least one into it"))
        if problems:
            _remove(made)
            raise RefusedError(problems)
        plan = finish_plan(plan, checked, made, index, look=look)
    finally:
        index.close()
    return Prepared(made, plan, checked, machine)


def _disk_notes(machine: Machine) -> list[str]:
    return [
        f"temporary files go to {disk.folder}, which lies on a network: name a local folder with temp_dir="
        for disk in machine.disks
        if disk.kind == "network"
    ]


def _cache_notes(index: Index, root: Root) -> list[str]:
    size = sum(kept or 0 for _, _, kept in index.stages()) / 1024**3
    if size <= root.cache.max_gb:
        return []
    return [
        f"the cache holds {size:.1f} GB, more than cache.max_gb={root.cache.max_gb:g}: `reeltune cache prune` cuts it"
    ]


def _remove(run: RunDir) -> None:
    import shutil

    shutil.rmtree(run.root, ignore_errors=True)


def launch(job: Job, prepared: Prepared, tracker: Tracker, process: JobProcess | None = None) -> Finished:
    """Run a prepared job to its end and record it; in `process` when one was started early."""
    run, plan = prepared.run, prepared.plan
    _begin(job, prepared)
    tracker.open_run(run, job.parent_run_id)
    view = view_for(prepared.checked.root.progress)
    ending = Supervisor(run, view, timeout_s=plan.policy.job_timeout_s, job=process).run()
    return close_run(run, ending, tracker)


def close_run(run: RunDir, ending: Ending, tracker: Tracker) -> Finished:
    """Write the last words of a run and tell MLflow."""
    run.ballast.unlink(missing_ok=True)
    summary = finish_run(run, status=ending.status or None, reason=ending.reason)
    write_report(run)
    error = tracker.finish(run, _TRACKING_WAIT_S)
    return Finished(run, summary, error)


def begin_run(run: RunDir, plan: Plan, told: Mapping[str, Any], config_yaml: str) -> None:
    """Write what does not change any more while a run runs, and let `latest` lead to it.

    Args:
        run: its folder.
        plan: what it runs.
        told: fields of `run.json` beyond those that every run has.
        config_yaml: the composed config, without secrets.
    """
    run.ballast.write_bytes(os.urandom(_BALLAST))
    now = time.time()
    always = {
        "schema_version": SCHEMA_VERSION,
        "run_id": f"{run.root.parent.name}-{run.root.name}",
        "pipeline": plan.pipeline,
        "status": "running",
        "epoch": now,
        "started_at": datetime.fromtimestamp(now, UTC).astimezone().isoformat(timespec="seconds"),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "output_dir": plan.policy.output,
        "scratch": plan.policy.scratch,
    }
    write_json(run.run_json, {**always, **told})
    write_atomic(run.config_yaml, config_yaml)
    make_latest(run)


def _begin(job: Job, prepared: Prepared) -> None:
    requested = flat_settings(job, prepared.checked)
    told = {
        "requested": requested,
        "effective": effective_settings(requested, prepared.plan),
        "hardware": hardware_tags(prepared),
        "versions": versions(prepared.plan),
        "overrides": mask_words([*job.overrides, *job.files]),
        "sweep": job.sweep,
        "job": job.number,
        **({"known": dict(job.known)} if job.known else {}),
    }
    begin_run(prepared.run, prepared.plan, told, mask_text(_config_text(job)))


def _config_text(job: Job) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(job.composition.config, resolve=True)


def flat_settings(job: Job, checked: Checked) -> dict[str, Any]:
    """The settings that a person chose from, by full key; groups that the pipeline does not use are left out."""
    from omegaconf import OmegaConf

    plain: Any = OmegaConf.to_container(job.composition.config, resolve=True)
    used = _used_groups(job)
    flat: dict[str, Any] = {"profile": checked.root.profile.name, "hardware": checked.root.hardware.name}
    for group, value in plain.items():
        if group in _UNTOLD or (group in ("encoder", "tts") and group not in used) or group == "hardware":
            continue
        flat.update(_flatten(f"{group}", value))
    return flat


def _used_groups(job: Job) -> set[str]:
    from omegaconf import OmegaConf

    assert job.composition.config is not None
    raw = OmegaConf.to_yaml(job.composition.config.pipeline, resolve=False)
    asked = {key.partition(".")[0] for key in job.composition.user_keys}
    return {name for name in ("encoder", "tts") if f"${{{name}" in raw} | asked


def _flatten(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {key: value}
    return {k: v for name, inner in value.items() for k, v in _flatten(f"{key}.{name}", inner).items()}


def effective_settings(requested: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """The same, with what `auto` came to."""
    counts = {f"workers.{name}": stage.slots.count for name, stage in plan.stages.items()}
    return {**requested, **counts}


def hardware_tags(prepared: Prepared) -> dict[str, Any]:
    """What the machine is and what was planned with."""
    machine, capacity = prepared.machine, prepared.plan.capacity
    return {
        "profile": prepared.checked.root.hardware.name,
        "fingerprint": machine.fingerprint,
        "cpu": machine.cpu.model,
        "cpu_threads": capacity["cpu_threads"],
        "ram_mb": machine.memory.total_mb,
        "gpus": ", ".join(gpu.name for gpu in machine.gpus),
        "system": machine.system,
        "python": machine.python,
    }


def versions(plan: Plan) -> dict[str, str]:
    """Versions of packages and tools that shape the result."""
    found = {"ffmpeg": ffmpeg_binary().version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    for stage in plan.stages.values():
        found.update(stage.tools)
    return found

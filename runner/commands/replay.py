"""`reeltune replay RUN_DIR [stage=…] [item=…]`: run again what failed, or one task, as it was planned then."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.config.arguments import Arguments
from runner.execute.launch import Finished, begin_run, close_run
from runner.execute.supervise import Supervisor
from runner.plan.plan import Plan, PlannedItem, load_plan, read_items, save_plan
from runner.record.masking import mask_words
from runner.record.progress import view_for
from runner.record.rundir import RunDir, new_run_dir, read_json
from runner.record.tracking import Tracker, default_uri
from stages.settings import Problem

_CARRIED = ("requested", "effective", "hardware", "versions", "schema_version")


def replay(arguments: Arguments) -> int:
    """Make a run of the old run's frozen plan, with the failed items (or the named one) alone."""
    from runner.commands.run import refuse, tell

    values = dict(word.split("=", 1) for word in arguments.words if "=" in word and not Path(word).exists())
    words = [w for w in arguments.words[1:] if "=" not in w or Path(w).exists()]
    old = RunDir(Path(words[0] if words else values.get("outputs_dir", "outputs") + "/latest").resolve())
    problems = _problems(old, values)
    if problems:
        return refuse(problems)
    outputs = old.root.parent.parent.parent
    plan = load_plan(old.plan_json)
    run = new_run_dir(outputs, plan.pipeline)
    keys = {values["item"]} if "item" in values else set(_failed(old))
    plan = _narrowed(plan, old, run, keys, values.get("stage"))
    if plan.items == 0:
        sys.stdout.write(f"nothing of {old.root} failed: there is nothing to do again\n")
        run.root.rmdir() if not any(run.root.iterdir()) else None
        return 0
    finished = _launch(run, old, plan, arguments, outputs)
    tell(finished)
    return int(finished.summary["exit_code"])


def _problems(old: RunDir, values: dict[str, str]) -> list[Problem]:
    if not old.plan_json.is_file():
        return [Problem("replay", f"{old.root} is no run", "name a run's folder, such as outputs/latest")]
    stages = list(load_plan(old.plan_json).stages)
    stage = values.get("stage")
    if stage is not None and stage not in (*stages, "input"):
        return [Problem("stage", f"{stage!r} is no stage of this run", f"use {', '.join(stages)}")]
    return []


def _failed(old: RunDir) -> Iterator[str]:
    """Keys that failed, and of a killed run also those that never came to an end."""
    if old.failures.is_file():
        with old.failures.open(encoding="utf-8") as lines:
            yield from (json.loads(line)["item"] for line in lines)


def _narrowed(plan: Plan, old: RunDir, run: RunDir, keys: set[str], stage: str | None) -> Plan:
    """The plan for a part of its items; a named stage is done anew even when its work is in the cache."""
    policy = dataclasses.replace(
        plan.policy,
        output=_moved(plan.policy.output, old, run),
        scratch=str(run.scratch),
        force=(stage,) if stage and stage != "input" else (),
    )
    count = 0
    items = [planned for planned in read_items(old.items_jsonl) if _belongs(planned, keys)]
    if items:
        with run.items_jsonl.open("w", encoding="utf-8") as out:
            for count, planned in enumerate(items, 1):
                out.write(dataclasses.replace(planned, number=count - 1).line() + "\n")
    new = dataclasses.replace(plan, policy=policy, items=count, forecast={})
    if count:
        save_plan(new, run.plan_json)
    return new


def _moved(output: str, old: RunDir, run: RunDir) -> str:
    """A result folder inside the old run becomes one inside the new; any other stays."""
    return str(run.result) if Path(output) == old.result else output


def _belongs(planned: PlannedItem, keys: set[str]) -> bool:
    return any(key == planned.item.key or key.startswith(planned.item.key + "/") for key in keys)


def _launch(run: RunDir, old: RunDir, plan: Plan, arguments: Arguments, outputs: Path) -> Finished:
    before: dict[str, Any] = read_json(old.run_json)
    carried = {name: before[name] for name in _CARRIED if name in before}
    told = {**carried, "overrides": mask_words(arguments.words), "replay_of": str(old.root), "sweep": None, "job": None}
    begin_run(run, plan, told, old.config_yaml.read_text(encoding="utf-8") if old.config_yaml.is_file() else "")
    uri = before.get("tracking_uri")
    tracker = Tracker(uri or (default_uri(outputs) if "tracking_uri" not in before else None))
    try:
        tracker.open_run(run)
        ending = Supervisor(run, view_for("auto"), timeout_s=plan.policy.job_timeout_s).run()
        return close_run(run, ending, tracker)
    finally:
        tracker.close()

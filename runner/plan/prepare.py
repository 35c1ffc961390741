"""From a checked config to a frozen plan in a run's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.schema import Root
from runner.config.typed import typed_settings
from runner.hardware.budget import Budget
from runner.plan.capacity import Capacity, never_fits
from runner.plan.check import Checked
from runner.plan.forecast import forecast
from runner.plan.graph import Node
from runner.plan.index import Index
from runner.plan.inputs import named_files, planned_items
from runner.plan.keys import stage_digest, stage_says
from runner.plan.plan import Plan, Policy, StagePlan, read_items, save_plan
from runner.plan.slots import choose_slots
from runner.record.rundir import RunDir
from stages.registry import source_class
from stages.settings import Problem, rules_of

SWEEP_SAMPLE = "8"


def input_words(root: Root, files: Sequence[str]) -> list[str]:
    """What the user named, as bare words and as `input=`."""
    given = root.input if isinstance(root.input, list) else [root.input] if root.input else []
    return [*files, *(str(word) for word in given)]


def find_inputs(checked: Checked, files: Sequence[str]) -> tuple[list[Path], list[Problem]]:
    """The files of a run, or why there are none."""
    words = input_words(checked.root, files)
    if not words:
        return [], [Problem("input", "nothing to work on was named", "add a file, or input=<file, folder or list>")]
    return named_files(words, source_class(checked.root.pipeline.source["type"]))


def cache_root(root: Root) -> Path:
    """The folder of the cache."""
    return Path(root.cache.dir or Path(root.outputs_dir) / "cache").absolute()


def make_plan(checked: Checked, budget: Budget, run: RunDir, *, in_sweep: bool = False) -> tuple[Plan, list[Problem]]:
    """Plan without items: stages with their digests, needs and slots."""
    root = checked.root
    capacity = Capacity(budget.cpu_threads, budget.ram_mb, budget.vram_mb, _sessions(checked, budget))
    stages: dict[str, StagePlan] = {}
    problems: list[Problem] = []
    for node in checked.graph.nodes.values():
        checked.settings[node.name] = _fitted(checked.settings[node.name], budget)
        stages[node.name] = _stage_plan(checked, node, capacity)
        reason = never_fits(stages[node.name].needs, capacity)
        if reason:
            key = f"pipeline.stages.{node.name}"
            problems.append(Problem(key, f"{node.type_name} {reason}", "choose another hardware or a lighter profile"))
    plan = Plan(
        pipeline=root.pipeline.name,
        source=root.pipeline.source["type"],
        wiring={name: _wiring(raw, _auto_sample(root, in_sweep)) for name, raw in root.pipeline.stages.items()},
        stages=stages,
        capacity=dataclasses.asdict(capacity),
        items=0,
        policy=dataclasses.replace(_policy(root, run), force=_anew(root, stages, in_sweep), after=_after(checked)),
        notes=budget.notes,
    )
    return plan, problems


def _sessions(checked: Checked, budget: Budget) -> int:
    """Encodes at once on hardware: what it has, or what the encoder is good for, unless the user asked for more."""
    most = checked.root.encoder.sessions
    if most is None or not budget.encoder_sessions:
        return budget.encoder_sessions
    return most if "encoder.sessions" in checked.user_keys else min(most, budget.encoder_sessions)


def _anew(root: Root, stages: Mapping[str, StagePlan], in_sweep: bool) -> tuple[str, ...]:
    """Stages that are done again though they are finished: those that compute, where a run is there to measure.

    What comes over a network (and may cost money) is taken from the cache even then.
    """
    if root.cache.fresh == "never" or (root.cache.fresh == "auto" and not in_sweep):
        return ()
    return tuple(name for name, stage in stages.items() if stage.threads == 1)


def _after(checked: Checked) -> tuple[str, ...]:
    """Stages that wait until all else is done: those that only look at what was made."""
    if not checked.root.quality.after:
        return ()
    nodes = checked.graph.nodes.values()
    return tuple(node.name for node in nodes if node.optional and not checked.graph.consumers(node.name))


def _fitted(config: Any, budget: Budget) -> Any:
    """Settings with what the machine has, where they ask for it and nobody set them."""
    wanted = {name: rule.machine for name, rule in rules_of(type(config)).items() if rule.machine}
    free = [name for name in wanted if not getattr(config, name)]
    return dataclasses.replace(config, **{name: int(getattr(budget, wanted[name])) for name in free})


def _stage_plan(checked: Checked, node: Node, capacity: Capacity) -> StagePlan:
    root, config = checked.root, checked.settings[node.name]
    needs, threads = node.stage.needs(config), node.stage.concurrency(config)
    tools = dict(node.stage.tools(config))
    wishes: Mapping[str, Mapping[str, Any]] = {
        "workers": root.workers,
        "profile.workers": root.profile.workers,
        "hardware.workers": root.hardware.workers,
    }
    slots = choose_slots(
        node.name, needs, threads, dataclasses.asdict(capacity), wishes,
        most=root.profile.workers_max, worker_ram_mb=root.limits.worker_ram_mb,
        begin=int(root.profile.begin.get(node.name, 0)),
    )  # fmt: skip
    return StagePlan(
        settings=dataclasses.asdict(config),
        tools=tools,
        digest=stage_digest(stage_says(node.stage, config, tools)),
        needs=needs,
        threads=threads,
        slots=slots,
        user_set=checked.user_set[node.name],
    )


def _auto_sample(root: Root, in_sweep: bool) -> str:
    """Items that `sample: auto` means: who names a reference or a target wants to know of all of them."""
    asked = root.quality
    if asked.reference or (not in_sweep and (asked.target_vmaf or asked.target_vmaf_p1 or asked.target_ssim)):
        return "all"
    return SWEEP_SAMPLE if in_sweep else "0"


def _wiring(raw: Mapping[str, Any], auto_sample: str) -> dict[str, Any]:
    """The wiring words of a stage; its settings are frozen in its StagePlan."""
    wiring = {word: value for word, value in raw.items() if word != "settings"}
    if str(wiring.get("sample")) == "auto":
        wiring["sample"] = auto_sample
    return wiring


def _policy(root: Root, run: RunDir) -> Policy:
    temp = Path(root.temp_dir).absolute() / run.root.name if root.temp_dir else run.scratch.absolute()
    return Policy(
        cache_root=str(cache_root(root)),
        output=str(Path(root.output).absolute() if root.output else run.result.absolute()),
        scratch=str(temp),
        cache_enabled=root.cache.enabled,
        batch_size=root.batch_size,
        on_oom=root.on_oom,
        on_failure=root.on_failure,
        task_timeout_s=root.task_timeout_s,
        job_timeout_s=root.job_timeout_s,
        retry=dataclasses.asdict(root.retry),
        adapt=dataclasses.asdict(root.adapt),
        worker_ram_mb=root.limits.worker_ram_mb,
        worker_cpus=root.limits.worker_cpus,
        nice=root.limits.nice,
        rates={name: (int(grants), float(per_s)) for name, (grants, per_s) in root.rates.items()},
    )


def freeze_items(plan: Plan, checked: Checked, files: Sequence[Path], run: RunDir, index: Index) -> Plan:
    """Read every item once, write `items.jsonl`; the plan with their number."""
    source = source_class(plan.source)
    settings = typed_settings(source.config_class, checked.root.pipeline.source.get("settings") or {})
    count = 0
    with run.items_jsonl.open("w", encoding="utf-8") as out:
        for found in planned_items(files, source(settings), index):
            problem = found.problem or _item_problem(checked, found.item.data)
            planned = dataclasses.replace(found, problem=problem)
            out.write(planned.line() + "\n")
            count += 1
    return dataclasses.replace(plan, items=count)


def _item_problem(checked: Checked, data: Mapping[str, Any]) -> str:
    """Why an item can never succeed, asked of the stages that read the source directly."""
    for node in checked.graph.nodes.values():
        if "input" in node.sources and not node.optional:
            problem = node.stage.item_problem(checked.settings[node.name], data)
            if problem:
                return problem
    return ""


def finish_plan(plan: Plan, checked: Checked, run: RunDir, index: Index, *, look: bool = True) -> Plan:
    """Add what is finished already, keep what the digests stand for, and write `plan.json`."""
    graph = plan.graph()
    for name, node in graph.nodes.items():
        index.say(plan.stages[name].digest, stage_says(node.stage, checked.settings[name], plan.stages[name].tools))
    if look:
        plan = dataclasses.replace(plan, forecast=forecast(plan, graph, read_items(run.items_jsonl), index))
    save_plan(plan, run.plan_json)
    return plan

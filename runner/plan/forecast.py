"""What a plan would do: which tasks are finished already, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runner.plan.graph import Graph
from runner.plan.index import Index
from runner.plan.plan import Plan, PlannedItem
from runner.plan.tasks import RootState, Task
from runner.plan.transient import spent_is_enough, transient_stages
from runner.plan.walk import left_out, walk

_NEW, _FILES = "never done", "its finished file is gone or was changed"


@dataclass(slots=True)
class StageForecast:
    """Tasks of one stage: finished already, to run (by reason).

    `later` counts the unfinished tasks above it: what they make decides what this stage has to do.
    """

    cached: int = 0
    run: Counter[str] = field(default_factory=Counter)
    later: int = 0

    def to_json(self) -> dict[str, Any]:
        """For `plan.json`."""
        return {"cached": self.cached, "run": sum(self.run.values()), "later": self.later, "reasons": dict(self.run)}


def forecast(plan: Plan, graph: Graph, items: Iterable[PlannedItem], index: Index) -> dict[str, Any]:
    """Walk every item through the stages for as long as its tasks are finished already."""
    stages = {name: StageForecast() for name in graph.nodes}
    for planned in items:
        if not planned.problem:
            _walk(plan, graph, planned, index, stages)
    return {name: stage.to_json() for name, stage in stages.items()}


def _walk(plan: Plan, graph: Graph, planned: PlannedItem, index: Index, stages: dict[str, StageForecast]) -> None:
    excluded = left_out(plan, graph, planned.number)
    root = RootState(graph, planned.number, planned.item, excluded)
    parts = transient_stages(graph) if spent_is_enough(plan, graph, root, index) else set()
    for seen in walk(plan, root, index, parts):
        task = seen.task
        if seen.outcome is not None:
            stages[task.node].cached += 1
            continue
        stages[task.node].run[_reason(plan, task, seen.inputs, index)] += 1
        for name in graph.downstream(task.node):
            if name not in excluded:
                stages[name].later += 1


def _reason(plan: Plan, task: Task, inputs: str, index: Index) -> str:
    last = index.last(f"{plan.pipeline}/{task.key}/{task.node}")
    digest = plan.stages[task.node].digest
    if not plan.policy.cache_enabled:
        return "the cache is off"
    if last is None:
        return _NEW
    if last[0] != digest:
        return changed(index.said(last[0]), index.said(digest))
    return "its input changed" if last[1] != inputs else _FILES


def changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What differs between two stages' sayings, in words."""
    names = [
        f"{part}.{name}" if part == "tools" else name
        for part in ("settings", "tools")
        for name in {**before.get(part, {}), **after.get(part, {})}
        if before.get(part, {}).get(name) != after.get(part, {}).get(name)
    ]
    if before.get("version") != after.get("version"):
        names.append("the stage's version")
    return f"changed: {', '.join(sorted(names))}" if names else "settings changed"

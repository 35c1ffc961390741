"""A lane is a stage while it runs: its queue, its pool, its target, and how far down its ladder it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config.typed import typed_settings
from runner.execute.adapt import Span
from runner.execute.failures import Fault
from runner.execute.nursery import Nursery
from runner.execute.pool import Pool, WorkerSetup
from runner.plan.graph import Graph, Node
from runner.plan.keys import stage_digest, stage_says
from runner.plan.plan import Plan, Policy, StagePlan
from stages.contract import Json, Needs, Stage, Step

# Needs are resident memory, the system's limit counts what is reserved (stacks and pools of threads): with encoders of
# 8 to 32 threads 1.2 to 2.4 times as much was measured.
_RESERVED = 2.5


@dataclass(slots=True)
class Lane:
    """One stage while it runs.

    `needs` is what its worker holds, and what a task takes unless the stage says more of each (`by_task`); `most_cpu`
    is what a task counts with at most, where the user set the worker count.
    """

    node: Node
    planned: StagePlan
    policy: Policy
    pool: Pool
    settings: dict[str, Any]
    config: Any
    digest: str
    target: int
    share: float
    needs: Needs
    most_cpu: float = math.inf
    ready: list[Any] = field(default_factory=list)
    running: int = 0
    cpu_held: float = 0.0
    done: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    timed: int = 0
    waits_for: str = ""
    step: Step | None = None
    _level: int = 0
    _former: list[str] = field(default_factory=list)

    @property
    def by_task(self) -> bool:
        """Whether the stage says of each task what it needs."""
        return says_by_task(self.node.stage)

    def needs_of(self, data: Mapping[str, Json]) -> Needs:
        """What a task takes, by the data of its item."""
        needs = self.node.stage.task_needs(self.config, data) if self.by_task else self.needs
        return replace(needs, cpu_threads=min(needs.cpu_threads, self.most_cpu))

    def cpu_of(self, needs: Needs) -> float:
        """Threads that one more task is counted with.

        When adapting raised the target above what was planned, tasks did not fill their threads: each counts for less.
        """
        return needs.cpu_threads * min(1.0, self.planned.slots.count / max(1, self.target))

    @property
    def span(self) -> Span:
        """How far adapting may go."""
        return Span(self.planned.slots.floor, self.planned.slots.high)

    @property
    def mean_s(self) -> float:
        """Mean time of a task so far, seconds."""
        return self.wall_s / self.timed if self.timed else 0.0

    def note(self, wall_s: float, cpu_s: float) -> None:
        """Count a task that was really done."""
        self.wall_s += wall_s
        self.cpu_s += cpu_s
        self.timed += 1

    def digests(self) -> Iterator[str]:
        """Digests under which finished work may be found: as set now, and as it was before a step down."""
        yield self.digest
        yield from self._former

    def step_down(self, fault: Fault, on_oom: str) -> Step | None:
        """Take the next step of the stage's ladder that the user allows; None when there is none."""
        if on_oom == "fail":
            return None
        config = typed_settings(self.node.stage.config_class, self.planned.settings)
        steps = list(self.node.stage.ladder(config, fault.failure))
        allowed = [s for s in steps if on_oom == "degrade" or not set(s.changes) & set(self.planned.user_set)]
        if self._level >= len(allowed):
            return None
        self.step = allowed[self._level]
        self._level += 1
        self._apply(self.step)
        return self.step

    def _apply(self, step: Step) -> None:
        self._former.insert(0, self.digest)
        self.settings = {**self.planned.settings, **step.changes}
        stage, self.config = self.node.stage, typed_settings(self.node.stage.config_class, self.settings)
        self.needs = stage.needs(self.config)
        self.digest = stage_digest(stage_says(stage, self.config, stage.tools(self.config)))
        ram_mb, cpus = worker_limits(stage, self.needs, self.planned.threads, self.policy)
        self.pool.setup = replace(self.pool.setup, settings=self.settings, ram_mb=ram_mb, cpus=cpus)


def says_by_task(stage: type[Stage[Any]]) -> bool:
    """Whether a stage says of each task what it needs: then the programs that it starts are large, not its workers."""
    return next(kind for kind in stage.__mro__ if "task_needs" in vars(kind)) is not Stage


def program_limit(needs: Needs, policy: Policy) -> int:
    """Memory that a program of a task is held to, MB; 0 for no limit."""
    return max(policy.worker_ram_mb, round(_RESERVED * needs.ram_mb)) if policy.worker_ram_mb else 0


def worker_limits(stage: type[Stage[Any]], needs: Needs, threads: int, policy: Policy) -> tuple[int, int]:
    """MB and CPUs that a worker is held to; 0 for none. None where the programs that it starts may want more."""
    if says_by_task(stage):
        return 0, 0
    cpus = max(policy.worker_cpus, math.ceil(needs.cpu_threads)) if policy.worker_cpus and threads == 1 else 0
    return max(policy.worker_ram_mb, needs.ram_mb) if policy.worker_ram_mb else 0, cpus


def make_lanes(
    plan: Plan, graph: Graph, log: Path, on_progress: Callable[[], None], nursery: Nursery
) -> dict[str, Lane]:
    """A lane for every stage of a plan; workers come from the nursery, and write their errors to `log`."""
    return {
        name: _lane(plan, node, Pool(_setup(plan, node, plan.stages[name], log), log, on_progress, nursery))
        for name, node in graph.nodes.items()
    }


def _setup(plan: Plan, node: Node, planned: StagePlan, log: Path) -> WorkerSetup:
    policy = plan.policy
    ram_mb, cpus = worker_limits(node.stage, planned.needs, planned.threads, policy)
    return WorkerSetup(
        stage=node.name,
        type=node.type_name,
        settings=planned.settings,
        threads=max(planned.threads, planned.slots.high) if planned.threads > 1 else 1,
        store=policy.cache_root,
        ram_mb=ram_mb,
        cpus=cpus,
        nice=policy.nice,
        mark=str(log.parent),
    )


def _lane(plan: Plan, node: Node, pool: Pool) -> Lane:
    planned = plan.stages[node.name]
    return Lane(
        node=node,
        planned=planned,
        policy=plan.policy,
        pool=pool,
        settings=dict(planned.settings),
        config=typed_settings(node.stage.config_class, planned.settings),
        digest=planned.digest,
        target=planned.slots.count,
        share=node.share,
        needs=planned.needs,
        most_cpu=_most_cpu(planned, plan),
    )


def _most_cpu(planned: StagePlan, plan: Plan) -> float:
    """A worker count that the user set is honoured: its tasks share the CPU instead of waiting for it."""
    return math.inf if planned.slots.auto else float(plan.capacity["cpu_threads"]) / planned.slots.count

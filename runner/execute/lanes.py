"""A lane is a stage while it runs: its queue, its pool, its target, and how far down its ladder it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config.typed import typed_settings
from runner.execute.adapt import Span
from runner.execute.failures import Fault
from runner.execute.nursery import Nursery
from runner.execute.pool import Pool, WorkerSetup
from runner.plan.graph import Graph, Node
from runner.plan.keys import stage_digest, stage_says
from runner.plan.plan import Plan, StagePlan
from stages.contract import Needs, Step


@dataclass(slots=True)
class Lane:
    """One stage while it runs."""

    node: Node
    planned: StagePlan
    pool: Pool
    settings: dict[str, Any]
    digest: str
    target: int
    share: float
    needs: Needs
    ready: list[Any] = field(default_factory=list)
    running: int = 0
    done: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    timed: int = 0
    waits_for: str = ""
    step: Step | None = None
    _level: int = 0
    _former: list[str] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """Threads that one more task is counted with.

        When adapting raised the target above what was planned, tasks did not fill their threads: each counts for less.
        """
        return self.needs.cpu_threads * min(1.0, self.planned.slots.count / max(1, self.target))

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
        config = typed_settings(self.node.stage.config_class, self.settings)
        self.needs = self.node.stage.needs(config)
        self.digest = stage_digest(stage_says(self.node.stage, config, self.node.stage.tools(config)))
        self.pool.setup = replace(self.pool.setup, settings=self.settings)


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
    return WorkerSetup(
        stage=node.name,
        type=node.type_name,
        settings=planned.settings,
        threads=max(planned.threads, planned.slots.high) if planned.threads > 1 else 1,
        store=policy.cache_root,
        ram_mb=max(policy.worker_ram_mb, planned.needs.ram_mb) if policy.worker_ram_mb else 0,
        cpus=policy.worker_cpus if planned.threads == 1 else 0,
        nice=policy.nice,
        mark=str(log.parent),
    )


def _lane(plan: Plan, node: Node, pool: Pool) -> Lane:
    planned = plan.stages[node.name]
    return Lane(
        node=node,
        planned=planned,
        pool=pool,
        settings=dict(planned.settings),
        digest=planned.digest,
        target=planned.slots.count,
        share=node.share,
        needs=_counted(planned, plan),
    )


def _counted(planned: StagePlan, plan: Plan) -> Needs:
    """A worker count that the user set is honoured: its tasks share the CPU instead of waiting for it."""
    if planned.slots.auto:
        return planned.needs
    cpu = min(planned.needs.cpu_threads, float(plan.capacity["cpu_threads"]) / planned.slots.count)
    return Needs(**{**asdict(planned.needs), "cpu_threads": cpu})

"""An item walked through its stages for as long as its tasks are finished already: what planning looks at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from runner.plan.graph import Graph
from runner.plan.index import Index, Outcome
from runner.plan.keys import inputs_digest, taken, task_key
from runner.plan.plan import Plan, sampled
from runner.plan.tasks import RootState, Task


@dataclass(frozen=True, slots=True)
class Seen:
    """A task that was reached, the digest of its inputs, and its answer; None when it has to be done."""

    task: Task
    inputs: str
    outcome: Outcome | None


def walk(plan: Plan, root: RootState, index: Index, spent: Collection[str] = ()) -> Iterator[Seen]:
    """Every task that can be reached.

    Args:
        plan: what is to run.
        root: an item that was not started; it is walked through.
        index: finished work.
        spent: stages of which it is enough to know what their tasks made.
    """
    waiting = root.start()
    while waiting:
        task = waiting.pop()
        inputs = inputs_digest(taken(*root.inputs(task)))
        outcome = None
        if plan.policy.cache_enabled and task.node not in plan.policy.force:
            outcome = index.get(task_key(plan.stages[task.node].digest, inputs), spent=task.node in spent)
        yield Seen(task, inputs, outcome)
        if outcome is None:
            root.fail(task)
        else:
            waiting.extend(root.done(task, outcome))


def left_out(plan: Plan, graph: Graph, number: int) -> list[str]:
    """The stages that leave the item of this number out, and all that hang on them."""
    unsampled = [node.name for node in graph.nodes.values() if not sampled(number, plan.items, node.sample)]
    return [name for stage in unsampled for name in (stage, *graph.downstream(stage))]

"""Whether it is enough to know what a finished task made, when its files were let go.

A stage that is `transient` in its pipeline makes files that are parts of a finished one (segments of a film). They are
what a broken-off run goes on from; once their item is finished they are let go, and the index notes them as spent.
Spent work counts as done for an item of which nobody will read the parts: all stages that take them are finished too,
and their files are there. For any other item (a setting of the join changed) it is done again.
"""

from __future__ import annotations

from runner.plan.graph import Graph
from runner.plan.index import Index
from runner.plan.plan import Plan
from runner.plan.tasks import RootState
from runner.plan.walk import walk


def transient_stages(graph: Graph) -> set[str]:
    """Their names."""
    return {node.name for node in graph.nodes.values() if node.transient}


def spent_is_enough(plan: Plan, graph: Graph, item: RootState, index: Index) -> bool:
    """Whether an item has everything that is made of the parts. Looks only; `item` stays as it is."""
    parts = transient_stages(graph)
    readers = {consumer.name for part in parts for consumer in graph.consumers(part)}
    if not readers or not plan.policy.cache_enabled:
        return False
    for seen in walk(plan, item.again(), index, parts):
        if seen.outcome is None and readers & {seen.task.node, *graph.downstream(seen.task.node)}:
            return False
    return True

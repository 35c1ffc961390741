"""The items of a plan, one at a time, each with the tasks that it brings."""

from __future__ import annotations

from collections.abc import Iterator

from runner.plan.graph import Graph
from runner.plan.plan import Plan, PlannedItem
from runner.plan.tasks import RootState
from runner.plan.walk import left_out


class Intake:
    """Reads items as they are wanted: a list of any length takes no more memory than the window of open roots."""

    def __init__(self, plan: Plan, graph: Graph, items: Iterator[PlannedItem]) -> None:
        self.exhausted = False
        self._plan = plan
        self._graph = graph
        self._items = items

    def may_open(self, count: int) -> bool:
        """Whether the window has room for one more, with so many open, and the list may have one."""
        return not self.exhausted and count < self._plan.policy.batch_size

    def next(self) -> RootState | PlannedItem | None:
        """The next root; an item that cannot be one comes as it was planned; None at the end."""
        planned = next(self._items, None)
        if planned is None:
            self.exhausted = True
            return None
        if planned.problem:
            return planned
        return RootState(self._graph, planned.number, planned.item, left_out(self._plan, self._graph, planned.number))

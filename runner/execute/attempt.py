"""A task on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.execute.failures import Fault, fault_of
from runner.execute.wire import item_to
from runner.plan.keys import inputs_digest, taken
from runner.plan.tasks import Task
from stages.contract import Failure, Item, Needs


class Attempt:
    """A task with its inputs, its key, its place in the queue, what it takes, and how often it was tried."""

    __slots__ = ("inputs", "item", "key", "needs", "parts", "rank", "task", "tries")

    def __init__(self, task: Task, item: Item, parts: list[Item], rank: tuple[int, int]) -> None:
        self.task, self.item, self.parts, self.rank = task, item, parts, rank
        self.inputs = inputs_digest(taken(item, parts))
        self.key = ""
        self.needs = Needs()
        self.tries = 0

    @property
    def where(self) -> str:
        """The task in sentences."""
        return f"{self.task.key} ({self.task.node})"

    def misplaced(self, error: Exception) -> Fault:
        """The fault when there was no place for a finished file, or two children had one name."""
        if isinstance(error, OSError):
            return fault_of(error, self.where)
        return Fault(Failure.BAD_INPUT, f"{self.where}: {error}")

    def message(self, scratch: str, memory_mb: int) -> dict[str, Any]:
        """As a worker gets it: with a folder of its own in `scratch`, and the limit of a program that it starts."""
        return {
            "stage": self.task.node,
            "item": item_to(self.item),
            "parts": [item_to(part) for part in self.parts],
            "scratch": str(Path(scratch) / f"{self.rank[1]}-{self.tries}"),
            "memory_mb": memory_mb,
        }

    def __lt__(self, other: Attempt) -> bool:
        return self.rank < other.rank

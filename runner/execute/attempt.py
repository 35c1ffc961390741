"""A task on its way."""

from __future__ import annotations

from runner.plan.keys import inputs_digest, taken
from runner.plan.tasks import Task
from stages.contract import Item


class Attempt:
    """A task with its inputs, its key, its place in the queue, and how often it was tried."""

    __slots__ = ("inputs", "item", "key", "parts", "rank", "task", "tries")

    def __init__(self, task: Task, item: Item, parts: list[Item], rank: tuple[int, int]) -> None:
        self.task, self.item, self.parts, self.rank = task, item, parts, rank
        self.inputs = inputs_digest(taken(item, parts))
        self.key = ""
        self.tries = 0

    def __lt__(self, other: Attempt) -> bool:
        return self.rank < other.rank

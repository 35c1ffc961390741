"""Stages that wait until all else is done: scoring that shall slow nothing down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from runner.execute.lanes import Lane


class Afterwards:
    """Knows whether other work is under way or can still be begun.

    Args:
        names: of the stages that wait.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)
        self._working = 0

    @contextmanager
    def under_way(self, name: str) -> Iterator[None]:
        """While a task of a stage runs, and what follows from its end is looked at."""
        work = int(name not in self._names)
        self._working += work
        try:
            yield
        finally:
            self._working -= work

    def free(self, lanes: Mapping[str, Lane], *, more: bool) -> list[Lane]:
        """Stages with tasks that may start, as far as their turn goes.

        Args:
            lanes: of all stages.
            more: whether further tasks can be found without the end of a stage that waits. In a full window of items
                they cannot: then it runs, and makes room.
        """
        ready = [lane for lane in lanes.values() if lane.ready]
        if not self._names:
            return ready
        others = [lane for name, lane in lanes.items() if name not in self._names]
        held = more or bool(self._working) or any(lane.ready or lane.running for lane in others)
        return [lane for lane in ready if lane.node.name not in self._names or not held]

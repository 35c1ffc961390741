"""Lets go of the files of transient stages when their item is finished, unless somebody may still work with them.

Runs of one cache that are alive hold a lock each. Files go only while no other run is alive: what one leaves behind,
the next that ends alone removes. See `runner.plan.transient` for what is known of such work afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from runner.plan.graph import Graph
from runner.plan.index import Index
from runner.plan.plan import Plan
from runner.plan.tasks import RootState, Task
from runner.plan.transient import spent_is_enough, transient_stages

if TYPE_CHECKING:
    from filelock import BaseFileLock


class Transients:
    """The transient work of one run. A pipeline without such stages costs nothing."""

    def __init__(self, plan: Plan, graph: Graph, index: Index) -> None:
        self._plan, self._graph, self._index = plan, graph, index
        self._stages = transient_stages(graph)
        self._enough: dict[int, bool] = {}
        self._used: dict[int, set[str]] = {}
        self._alive = Alive(Path(plan.policy.cache_root) / "alive") if self._stages else None

    def opened(self, root: RootState) -> None:
        """Look whether spent work is enough for an item."""
        if self._stages:
            self._enough[root.number] = spent_is_enough(self._plan, self._graph, root, self._index)
            self._used[root.number] = set()

    def may_be_spent(self, task: Task) -> bool:
        """Whether a task counts as done though its files were let go."""
        return task.node in self._stages and self._enough.get(task.root, False)

    def took(self, task: Task, key: str) -> None:
        """An item has the outcome of a task, which must stay as long as the item is open."""
        if task.node in self._stages:
            self._used[task.root].add(key)

    def closed(self, root: RootState) -> None:
        """An item is done: of one that went well the parts go, but those that other items have in hand."""
        if not self._stages:
            return
        self._enough.pop(root.number, None)
        keys = self._used.pop(root.number, set())
        if root.ok:
            self._index.spend(sorted(keys))
        self._let_go()

    def close(self) -> None:
        """The run ends: what was left for others is let go if they have ended."""
        if self._alive is not None:
            self._let_go()
            self._alive.close()

    def _let_go(self) -> None:
        held = set().union(*self._used.values())
        if self._alive is not None:
            self._alive.alone(lambda: self._index.let_go(held))


class Alive:
    """A lock per run in one folder; the system lets go of it when the run dies."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._gate = folder, _lock(folder / "gate")
        self._own = _lock(folder / f"{uuid.uuid4().hex}.run")
        with self._gate:  # nobody may look who is alive while another removes files
            self._own.acquire()

    def alone(self, act: Callable[[], object]) -> None:
        """Do something while no other run is alive, and none begins; else nothing is done."""
        with self._gate:
            if not any(self._lives(path) for path in self._folder.glob("*.run")):
                act()

    def _lives(self, path: Path) -> bool:
        from filelock import Timeout

        if path == Path(self._own.lock_file):
            return False
        other = _lock(path)
        try:
            other.acquire(timeout=0)
        except Timeout:
            return True
        other.release()
        path.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """This run is no longer alive."""
        with self._gate:
            self._own.release()
            Path(self._own.lock_file).unlink(missing_ok=True)


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(path)

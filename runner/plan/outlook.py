"""How long a run takes at least: its critical path, from what tasks of the same stages took before on this machine.

What bounds it: the longest chain of tasks that wait for each other and for a place of their stage, the work there is
for the processors, and how often a service may be asked. What is finished already costs nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.plan.graph import Graph, Node
from runner.plan.index import Index
from runner.plan.plan import Plan, PlannedItem
from runner.plan.tasks import Path, RootState
from runner.plan.transient import spent_is_enough, transient_stages
from runner.plan.walk import left_out, walk

Place = tuple[str, Path]  # a node, and the item its task works on


@dataclass(frozen=True, slots=True)
class Outlook:
    """The least a run takes.

    Attributes:
        seconds: from start to end.
        bound: what it is that takes so long: `chain`, `processors` or `rate`.
        chain: stages of the longest chain with their seconds; waiting for a rate is `(rate)`, for a place `(queue)`.
        unknown: stages of which nothing is known: they count as nothing.
        guessed: fan-outs of which it is not known how many items they make; each counts as one.
    """

    seconds: float
    bound: str
    chain: Sequence[tuple[str, float]] = ()
    unknown: Sequence[str] = ()
    guessed: Sequence[str] = ()


@dataclass(slots=True)
class _Root:
    """What is known of one root item: its tasks that are finished, and the children of its fan-outs."""

    item: PlannedItem
    done: set[Place] = field(default_factory=set)
    children: dict[Place, list[Path]] = field(default_factory=dict)


def outlook(
    plan: Plan, graph: Graph, items: Iterable[PlannedItem], index: Index, seconds: Mapping[str, float]
) -> Outlook:
    """The critical path of a planned run.

    Args:
        plan: what is to run.
        graph: its wiring.
        items: its inputs.
        index: finished work.
        seconds: stage → what one task of it takes, waiting for a rate left out; stages that are not there are unknown.
    """
    roots = [_known(plan, graph, item, index) for item in items if not item.problem]
    guessed: set[str] = set()
    tasks = [task for root in roots for task in _tasks(plan, graph, root, guessed)]
    open_ones = [task for task in tasks if task.open]
    finish = _schedule(plan, graph, tasks, seconds)
    last = max(tasks, key=lambda task: (finish[task.key].at, len(finish[task.key].chain)), default=None)
    chain = finish[last.key].chain if last else ()
    longest = finish[last.key].at if last else 0.0
    work = sum(seconds.get(t.node.name, 0.0) * plan.stages[t.node.name].needs.cpu_threads for t in open_ones)
    by_cpu = work / max(1.0, float(plan.capacity["cpu_threads"]))
    rated = any(name.endswith("(rate)") for name, _ in chain)
    bound = "processors" if by_cpu > longest else "rate" if rated else "chain"
    unknown = sorted({task.node.name for task in open_ones} - set(seconds))
    return Outlook(max(longest, by_cpu), bound, chain, unknown, sorted(guessed))


# --- what there is to do ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Task:
    root: int
    node: Node
    path: Path
    needs: tuple[tuple[int, str, Path], ...]
    open: bool

    @property
    def key(self) -> tuple[int, str, Path]:
        return (self.root, self.node.name, self.path)


def _known(plan: Plan, graph: Graph, planned: PlannedItem, index: Index) -> _Root:
    """Walk an item through the stages for as long as its tasks are finished already."""
    found = _Root(planned)
    state = RootState(graph, planned.number, planned.item, left_out(plan, graph, planned.number))
    parts = transient_stages(graph) if spent_is_enough(plan, graph, state, index) else set()
    for seen in walk(plan, state, index, parts):
        if seen.outcome is None:
            continue
        task = seen.task
        found.done.add((task.node, task.path))
        if graph.nodes[task.node].stage.fans_out:
            found.children[(task.node, task.path)] = [(*task.path, child.name) for child in seen.outcome.children]
    return found


def _tasks(plan: Plan, graph: Graph, root: _Root, guessed: set[str]) -> list[_Task]:
    """Every task of a root item, as far as can be foreseen, in an order in which none stands before what it needs."""
    paths: dict[tuple[str, ...], list[Path]] = {(): [(root.item.item.key,)]}
    excluded = set(left_out(plan, graph, root.item.number))
    made: list[_Task] = []
    for node in graph.nodes.values():
        if node.name in excluded:
            continue
        for path in paths.get(node.domain, ()):
            needs = tuple((root.item.number, *place) for place in _needs(graph, node, path, paths))
            made.append(_Task(root.item.number, node, path, needs, (node.name, path) not in root.done))
        if node.stage.fans_out:
            paths[node.out_domain] = [
                child
                for path in paths.get(node.domain, ())
                for child in _children(plan, graph, root, node, path, guessed)
            ]
    return made


def _children(plan: Plan, graph: Graph, root: _Root, node: Node, path: Path, guessed: set[str]) -> list[Path]:
    known = root.children.get((node.name, path))
    if known is None:
        foreseen = node.stage.foresee(plan.config_of(node.name, graph), root.item.item.data)
        known = None if foreseen is None else [(*path, child.name) for child in foreseen]
    if known is None:
        guessed.add(node.name)
        return [(*path, "?")]
    return known


def _needs(graph: Graph, node: Node, path: Path, paths: Mapping[tuple[str, ...], list[Path]]) -> list[Place]:
    """The tasks whose results a task takes: of its own item, of one above, or of all below that it gathers."""
    found: list[Place] = []
    for source in node.sources:
        above = graph.nodes.get(source)
        if above is None:
            continue
        if node.gather and len(above.out_domain) > len(node.domain):
            found += [_maker(above, other) for other in paths.get(above.out_domain, ()) if other[: len(path)] == path]
        else:
            found.append(_maker(above, path[: 1 + len(above.out_domain)]))
    return found


def _maker(node: Node, path: Path) -> Place:
    """The task that made an item: a fan-out's children are made by the task on their parent."""
    return (node.name, path[: 1 + len(node.domain)])


# --- when it can be done ---------------------------------------------------------------------


_Chain = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Finish:
    at: float
    chain: _Chain


def _schedule(
    plan: Plan, graph: Graph, tasks: Sequence[_Task], seconds: Mapping[str, float]
) -> dict[tuple[int, str, Path], _Finish]:
    """When each task ends when its inputs, the rates, and the places of its stage are all that hold it up."""
    finish: dict[tuple[int, str, Path], _Finish] = {}
    by_node: dict[str, list[_Task]] = {}
    for task in tasks:
        by_node.setdefault(task.node.name, []).append(task)
    for name in graph.nodes:  # topological
        ready = [(_ready(task, finish), task) for task in by_node.get(name, [])]
        queue = _Queue(name, plan.stages[name].slots.count, graph.nodes[name].stage.pace(plan.config_of(name, graph)))
        for before, task in sorted(ready, key=lambda pair: pair[0].at):
            finish[task.key] = queue.taken(before, seconds.get(name, 0.0)) if task.open else before
    return finish


class _Queue:
    """Tasks of one stage: so many at once, and so many begun in any so many seconds."""

    def __init__(self, name: str, places: int, pace: tuple[int, float] | None) -> None:
        self._name, self._pace, self._sent = name, pace, 0
        self._free = [0.0] * places

    def taken(self, before: _Finish, takes: float) -> _Finish:
        """When a task ends that may begin at `before`."""
        chain, at = before.chain, before.at
        if self._pace:
            turn = (self._sent // self._pace[0]) * self._pace[1]
            self._sent += 1
            chain, at = self._waited(chain, at, turn, "rate")
        chain, at = self._waited(chain, at, heapq.heappop(self._free), "queue")
        heapq.heappush(self._free, at + takes)
        return _Finish(at + takes, (*chain, (self._name, takes)))

    def _waited(self, chain: _Chain, at: float, until: float, why: str) -> tuple[_Chain, float]:
        return ((*chain, (f"{self._name} ({why})", until - at)), until) if until > at else (chain, at)


def _ready(task: _Task, finish: Mapping[tuple[int, str, Path], _Finish]) -> _Finish:
    return max((finish[need] for need in task.needs if need in finish), key=lambda f: f.at, default=_Finish(0.0, ()))


def as_json(found: Outlook) -> dict[str, Any]:
    """For `plan.json`."""
    return {
        "seconds": round(found.seconds, 3), "bound": found.bound, "chain": [[n, round(s, 3)] for n, s in found.chain],
        "unknown": list(found.unknown), "guessed": list(found.guessed),
    }  # fmt: skip

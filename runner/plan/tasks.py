"""Which tasks of one root item are ready: joins by key, fan-out found while running, gather.

A path is `(root key, child name, grandchild name, …)`; a node of a domain of n fan-outs has tasks at paths of
length n + 1. All state of a root item is dropped when the root is complete, so memory follows the window of open
roots and not the length of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from runner.plan.graph import INPUT, Domain, Graph, Node
from runner.plan.index import Outcome
from runner.plan.keys import narrow
from stages.contract import Item

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One stage on one item."""

    root: int
    node: str
    path: Path

    @property
    def key(self) -> str:
        """The item's key."""
        return "/".join(self.path)


class RootState:
    """The tasks of one root item."""

    def __init__(self, graph: Graph, number: int, item: Item, excluded: Iterable[str] = ()) -> None:
        self.number = number
        self.item = item
        self.failed: list[Task] = []
        self._graph = graph
        self._excluded = set(excluded)
        self._items: dict[tuple[str, Path], Item] = {(INPUT, (item.key,)): item}
        self._children: dict[tuple[str, Path], list[Path]] = {}
        self._instances: dict[Domain, list[Path]] = {}
        self._waiting: dict[tuple[str, Path], int] = {}
        self._dead: set[tuple[str, Path]] = set()
        self._open = 0

    def again(self) -> RootState:
        """The same item with nothing done."""
        return RootState(self._graph, self.number, self.item, self._excluded)

    @property
    def complete(self) -> bool:
        """True when every task is done, failed or blocked."""
        return self._open == 0

    @property
    def ok(self) -> bool:
        """True when nothing that matters failed."""
        return all(self._graph.nodes[task.node].optional for task in self.failed)

    def start(self) -> list[Task]:
        """The tasks that are ready at once."""
        return list(self._create((), (self.item.key,)))

    def done(self, task: Task, outcome: Outcome) -> list[Task]:
        """Take a task's outcome; the tasks that became ready by it.

        Raises:
            ValueError: when a fan-out names two children alike.
        """
        node = self._graph.nodes[task.node]
        ready = self._spread(node, task.path, outcome) if node.stage.fans_out else self._hand_on(node, task, outcome)
        found = list(ready)
        self._open -= 1
        return found

    def fail(self, task: Task) -> list[Task]:
        """Give a task up; the tasks that can never run because of it (those not found yet are never made)."""
        self.failed.append(task)
        self._open -= 1
        blocked = [
            Task(self.number, name, path)
            for name, region in self._cut_off(task)
            for path in self._instances.get(self._graph.nodes[name].domain, ())
            if path[: len(region)] == region and self._waiting.pop((name, path), None) is not None
        ]
        self._open -= len(blocked)
        return blocked

    def _cut_off(self, task: Task) -> Iterator[tuple[str, Path]]:
        """Nodes that hang on a failed task, each with the paths it concerns: all that begin with `region`."""
        edge = [(task.node, task.path)]
        while edge:
            name, region = edge.pop()
            for consumer in self._graph.consumers(name):
                cut = (consumer.name, region[: 1 + len(consumer.domain)])
                if cut not in self._dead:
                    self._dead.add(cut)
                    edge.append(cut)
                    yield cut

    def inputs(self, task: Task) -> tuple[Item, list[Item]]:
        """What a ready task works on: its item and, when it gathers, the parts; narrowed to what it declared."""
        node = self._graph.nodes[task.node]
        item = narrow(node.stage, self._merged(node, task.path))
        if not node.gather:
            return item, []
        return item, [narrow(node.stage, part) for part in self._parts(node, task.path)]

    # --- readiness -----------------------------------------------------------------------

    def _create(self, domain: Domain, path: Path) -> Iterator[Task]:
        self._instances.setdefault(domain, []).append(path)
        nodes = [node for node in self._graph.of_domain(domain) if self._lives(node.name, path)]
        self._open += len(nodes)
        for node in nodes:
            self._waiting[(node.name, path)] = sum(self._missing(node, source, path) for source in node.sources)
        for node in nodes:
            yield from self._check(node.name, path)

    def _lives(self, name: str, path: Path) -> bool:
        return name not in self._excluded and not any((name, path[:n]) in self._dead for n in range(1, len(path) + 1))

    def _check(self, name: str, path: Path) -> Iterator[Task]:
        if self._waiting.get((name, path)) == 0:
            del self._waiting[(name, path)]
            yield Task(self.number, name, path)

    def _missing(self, node: Node, source: str, path: Path) -> int:
        above = self._graph.nodes.get(source)
        if above is None:
            return 0
        if self._gathered(node, above):
            children = self._children.get((above.out_domain[-1], path))
            if children is None:
                return 1  # stands for "how many is not known yet"
            return sum((source, child) not in self._items for child in children)
        return int((source, path[: 1 + len(above.out_domain)]) not in self._items)

    @staticmethod
    def _gathered(node: Node, above: Node) -> bool:
        return node.gather and len(above.out_domain) > len(node.domain)

    def _arrived(self, name: str, path: Path, count: int = 1) -> Iterator[Task]:
        if (name, path) in self._waiting:
            self._waiting[(name, path)] -= count
            yield from self._check(name, path)

    # --- outcomes ------------------------------------------------------------------------

    def _hand_on(self, node: Node, task: Task, outcome: Outcome) -> Iterator[Task]:
        base = self._merged(node, task.path)
        self._items[(node.name, task.path)] = _with(base, outcome.data, outcome.artifacts, task.key)
        for consumer in self._graph.consumers(node.name):
            for path in self._paths_of(consumer, task.path):
                yield from self._arrived(consumer.name, path)

    def _paths_of(self, consumer: Node, path: Path) -> list[Path]:
        length = 1 + len(consumer.domain)
        if length <= len(path):
            return [path[:length]]
        return [other for other in self._instances.get(consumer.domain, ()) if other[: len(path)] == path]

    def _spread(self, node: Node, path: Path, outcome: Outcome) -> Iterator[Task]:
        base = self._merged(node, path)
        paths = [(*path, child.name) for child in outcome.children]
        if len(set(paths)) != len(paths):
            raise ValueError(f"{node.name} made two children of one name from {'/'.join(path)}")
        for child_path, child in zip(paths, outcome.children, strict=True):
            self._items[(node.name, child_path)] = _with(base, child.data, child.artifacts, "/".join(child_path))
        self._children[(node.name, path)] = paths
        for child_path in paths:
            yield from self._create(node.out_domain, child_path)
        yield from self._count_children(node, path)

    def _count_children(self, fan: Node, path: Path) -> Iterator[Task]:
        """Replace the "not known yet" of every gathering stage by what is really missing."""
        for node in self._graph.of_domain(fan.domain):
            for source in node.sources:
                above = self._graph.nodes.get(source)
                if above and self._gathered(node, above) and above.out_domain == fan.out_domain:
                    yield from self._arrived(node.name, path, 1 - self._missing(node, source, path))

    # --- items ---------------------------------------------------------------------------

    def _merged(self, node: Node, path: Path) -> Item:
        """Everything that the item carries when it comes to this node."""
        merged = Item("/".join(path))
        for source in node.sources:
            above = self._graph.nodes.get(source)
            if above and self._gathered(node, above):
                continue
            length = 1 + len(above.out_domain) if above else 1
            item = self._items[(source, path[:length])]
            merged = _with(merged, item.data, item.artifacts, merged.key)
        return merged

    def _parts(self, node: Node, path: Path) -> Iterator[Item]:
        above = [n for s in node.sources if (n := self._graph.nodes.get(s)) and self._gathered(node, n)]
        for child in self._children[(above[0].out_domain[-1], path)]:
            part = Item("/".join(child))
            for source in above:
                item = self._items[(source.name, child)]
                part = _with(part, item.data, item.artifacts, part.key)
            yield part


def _with(item: Item, data: Mapping[str, object], artifacts: Mapping[str, object], key: str) -> Item:
    return Item(key, {**item.data, **data}, {**item.artifacts, **artifacts})  # type: ignore[dict-item]

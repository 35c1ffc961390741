"""A pipeline's wiring: stages as nodes, their domains and depths, and everything that is wrong with it.

A node's *domain* is the list of fan-out stages above it: `()` for the inputs, `("scenes",)` for what the
fan-out stage `scenes` found. Inputs of a node may come from its own domain or from one above it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stages.contract import Stage
from stages.registry import UnknownTypeError, known_types, stage_class
from stages.settings import Problem, nearest
from stages.source import Source

INPUT = "input"
Domain = tuple[str, ...]
_SAMPLE = re.compile(r"^(all|auto|[0-9]+)$")
_WORDS = {"type", "from", "gather", "publish", "sample", "share", "optional", "transient", "settings"}


@dataclass(frozen=True, slots=True)
class Node:
    """One stage in its place. `domain` is that of its tasks, `out_domain` that of what it hands on.

    The files of a `transient` stage are let go when their input item is finished (see `runner.plan.transient`).
    """

    name: str
    type_name: str
    stage: type[Stage[Any]]
    sources: tuple[str, ...]
    settings: Mapping[str, Any]
    gather: bool = False
    publish: tuple[str, ...] = ()
    sample: str = "all"
    share: float = 0.0
    optional: bool = False
    transient: bool = False
    domain: Domain = ()
    depth: int = 0

    @property
    def out_domain(self) -> Domain:
        """Where its results live: one level down when it fans out."""
        return (*self.domain, self.name) if self.stage.fans_out else self.domain


@dataclass(slots=True)
class Graph:
    """Nodes in topological order, and who listens to whom."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def consumers(self, name: str) -> list[Node]:
        """The nodes that take input from this one (or from `input`)."""
        return [node for node in self.nodes.values() if name in node.sources]

    def downstream(self, name: str) -> list[str]:
        """Every node that hangs on this one."""
        found: list[str] = []
        for node in self.nodes.values():  # topological: one pass is enough
            if any(source == name or source in found for source in node.sources):
                found.append(node.name)
        return found

    def of_domain(self, domain: Domain) -> list[Node]:
        """The nodes whose tasks live in this domain."""
        return [node for node in self.nodes.values() if node.domain == domain]


def build_graph(
    stages: Mapping[str, Any], source: type[Source[Any]] | None, prefix: str = "pipeline.stages"
) -> tuple[Graph, list[Problem]]:
    """Read the `stages` of a pipeline.

    Returns:
        the graph (only meaningful without problems) and everything wrong with the wiring.
    """
    problems: list[Problem] = []
    parsed = {
        str(name): node for name, raw in stages.items() for node in [_parse(str(name), raw, prefix, problems)] if node
    }
    if not stages:
        problems.append(Problem(prefix, "has no stages", "name at least one"))
    if problems:
        return Graph(), problems
    ordered = _sort(parsed, prefix, problems)
    graph = Graph()
    for node in ordered:
        placed = _place(node, graph, prefix, problems)
        graph.nodes[node.name] = placed
        problems.extend(_missing_inputs(placed, graph, source, prefix))
    if not problems and not any(node.publish for node in graph.nodes.values()):
        problems.append(Problem(prefix, "no stage publishes anything", "give one `publish: <artifact>`"))
    return graph, problems


def _parse(name: str, raw: Any, prefix: str, problems: list[Problem]) -> Node | None:
    key = f"{prefix}.{name}"
    if not isinstance(raw, Mapping) or "type" not in raw:
        problems.append(Problem(key, "has no type", f"use one of {', '.join(known_types())}"))
        return None
    for word in sorted(map(str, raw.keys() - _WORDS)):
        near = nearest(word, sorted(_WORDS))
        problems.append(Problem(f"{key}.{word}", f"is no word of a stage{near}", f"use {', '.join(sorted(_WORDS))}"))
    wrong = list(_bad_words(name, key, raw))
    problems.extend(wrong)
    try:
        stage = stage_class(str(raw["type"]))
    except UnknownTypeError as error:
        problems.append(Problem(f"{key}.type", str(error), f"use one of {', '.join(known_types())}"))
        return None
    if wrong:
        return None
    node = Node(
        name=name,
        type_name=str(raw["type"]),
        stage=stage,
        sources=_names(raw.get("from") or INPUT),
        settings=dict(raw.get("settings") or {}),
        gather=bool(raw.get("gather", False)),
        publish=_names(raw.get("publish") or ()),
        sample=str(raw.get("sample", "all")),
        share=float(raw.get("share") or 0.0),
        optional=bool(raw.get("optional", False)),
        transient=bool(raw.get("transient", False)),
    )
    if node.gather != stage.gathers:
        problems.append(_gather_mismatch(key, node))
    for artifact in node.publish:
        if artifact not in stage.produces:
            made = ", ".join(stage.produces) or "nothing"
            problems.append(Problem(f"{key}.publish", f"{node.type_name} makes no {artifact!r}", f"it makes {made}"))
    return node


def _bad_words(name: str, key: str, raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Words of a stage whose values cannot be."""
    sample, share, settings = raw.get("sample", "all"), raw.get("share") or 0.0, raw.get("settings") or {}
    if name == INPUT:
        yield Problem(key, f"a stage cannot be called {INPUT}: that is what comes in", "give it another name")
    if not _SAMPLE.match(str(sample)):
        yield Problem(f"{key}.sample", f"{str(sample)!r} is no number of items", "use a number, all or auto")
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        yield Problem(f"{key}.share", f"{share!r} is no share of the CPU", "use 0 to 1")
    if not isinstance(settings, Mapping):
        yield Problem(f"{key}.settings", f"{settings!r} is no list of settings", "write `name: value`, one a line")


def _gather_mismatch(key: str, node: Node) -> Problem:
    if node.gather:
        return Problem(f"{key}.gather", f"{node.type_name} works on one item, not on many", "take `gather: true` away")
    return Problem(f"{key}.gather", f"{node.type_name} takes all children of an item", "add `gather: true`")


def _names(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, value))) if isinstance(value, list | tuple) else (str(value),)


def _sort(nodes: dict[str, Node], prefix: str, problems: list[Problem]) -> list[Node]:
    ordered: list[Node] = []
    done = {INPUT}
    for node in nodes.values():
        for source in node.sources:
            if source != INPUT and source not in nodes:
                near = difflib.get_close_matches(source, list(nodes), n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                names = ", ".join([INPUT, *nodes])
                problems.append(Problem(f"{prefix}.{node.name}.from", f"no stage {source!r}{hint}", f"use {names}"))
    if problems:
        return []
    rest = dict(nodes)
    while rest:
        ready = [node for node in rest.values() if done.issuperset(node.sources)]
        if not ready:
            circle = " → ".join(rest)
            problems.append(Problem(prefix, f"stages wait for each other: {circle}", "cut the circle"))
            return []
        for node in ready:
            ordered.append(node)
            done.add(node.name)
            del rest[node.name]
    return ordered


def _place(node: Node, graph: Graph, prefix: str, problems: list[Problem]) -> Node:
    above = [graph.nodes[s] for s in node.sources if s != INPUT]
    domains = [n.out_domain for n in above] or [()]
    deepest = max(domains, key=len)
    if any(deepest[: len(domain)] != domain for domain in domains):
        names = " and ".join(node.sources)
        problems.append(
            Problem(f"{prefix}.{node.name}.from", f"{names} have no keys in common", "join stages of one fan-out only")
        )
    depth = 1 + max((n.depth for n in above), default=0)
    if not node.gather:
        return replace(node, domain=deepest, depth=depth)
    if not deepest:
        problems.append(
            Problem(f"{prefix}.{node.name}.gather", "there is nothing to gather", "gather from a stage after a fan-out")
        )
    return replace(node, domain=deepest[:-1], depth=depth)


def carried(node: Node | None, graph: Graph, source: type[Source[Any]] | None) -> tuple[dict[str, str], set[str]]:
    """Artifacts (name → kind) and data fields that an item carries after a node; None: as it comes in."""
    if node is None:
        return (dict(source.provides), set(source.writes)) if source else ({}, set())
    artifacts: dict[str, str] = {}
    data: set[str] = set()
    for name in node.sources:
        above = graph.nodes.get(name)
        if above and len(above.out_domain) > len(node.domain):
            continue  # gathered: the children's files and fields do not become the parent's
        more_artifacts, more_data = carried(above, graph, source)
        artifacts |= more_artifacts
        data |= more_data
    return artifacts | dict(node.stage.produces), data | set(node.stage.writes)


def _missing_inputs(node: Node, graph: Graph, source: type[Source[Any]] | None, prefix: str) -> Iterator[Problem]:
    artifacts: dict[str, str] = {}
    data: set[str] = set()
    for name in node.sources:
        more_artifacts, more_data = carried(graph.nodes.get(name), graph, source)
        artifacts |= more_artifacts
        data |= more_data
    key = f"{prefix}.{node.name}.from"
    for name, kind in node.stage.consumes.items():
        if name not in artifacts:
            yield Problem(
                key, f"{node.type_name} needs the artifact {name!r}", f"put a stage before it that makes {name!r}"
            )
        elif not artifacts[name].startswith(kind):
            yield Problem(key, f"{name!r} is {artifacts[name]}, {node.type_name} takes {kind}", "convert it first")
    for name in _unset(node.stage.reads, data):
        yield Problem(key, f"{node.type_name} needs the field {name!r}", f"put a stage before it that sets {name!r}")


def _unset(reads: Sequence[str], data: set[str]) -> list[str]:
    return [name for name in reads if name not in data]

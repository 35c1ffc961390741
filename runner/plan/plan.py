"""The frozen plan: everything a run needs to know, as data. What is planned is what is run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.typed import typed_settings
from runner.plan.graph import Graph, build_graph
from runner.record.rundir import read_json, write_json
from stages.contract import Artifact, Item, Needs
from stages.registry import source_class

PLAN_VERSION = 1


@dataclass(frozen=True, slots=True)
class Slots:
    """Tasks of a stage at once. `floor` and `high` bound what adapting may do; `why` says where the number is from."""

    count: int
    floor: int
    high: int
    auto: bool
    why: str


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage, ready to run: its settings (all of them), digest, needs and slots.

    `threads` is how many tasks one worker process takes at once; `user_set` are the settings that the user chose,
    which are never lowered in silence.
    """

    settings: Mapping[str, Any]
    tools: Mapping[str, str]
    digest: str
    needs: Needs
    threads: int
    slots: Slots
    user_set: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """How the run behaves: from the config, resolved."""

    cache_root: str
    output: str
    scratch: str
    cache_enabled: bool = True
    batch_size: int = 50
    on_oom: str = "auto"
    on_failure: str = "continue"
    task_timeout_s: float = 3600.0
    job_timeout_s: float = 0.0
    retry: Mapping[str, float] = field(default_factory=dict)
    adapt: Mapping[str, float] = field(default_factory=dict)
    worker_ram_mb: int = 2048
    worker_cpus: int = 2
    nice: int = 5
    rates: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    force: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    pipeline: str
    source: str
    wiring: Mapping[str, Any]
    stages: Mapping[str, StagePlan]
    capacity: Mapping[str, float]
    items: int
    policy: Policy
    forecast: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    version: int = PLAN_VERSION

    def graph(self) -> Graph:
        """The wiring as a graph.

        Raises:
            ValueError: when a plan from elsewhere does not fit this version.
        """
        graph, problems = build_graph(self.wiring, source_class(self.source))
        if problems:
            raise ValueError(problems[0].sentence())
        return graph

    def config_of(self, stage: str, graph: Graph) -> Any:
        """The settings object of a stage."""
        return typed_settings(graph.nodes[stage].stage.config_class, self.stages[stage].settings)


def save_plan(plan: Plan, path: Path) -> None:
    """Write `plan.json`."""
    write_json(path, dataclasses.asdict(plan))


def load_plan(path: Path) -> Plan:
    """Read `plan.json`.

    Raises:
        ValueError: when it was written by another version.
    """
    said = read_json(path)
    if said.get("version") != PLAN_VERSION:
        raise ValueError(f"{path} is a plan of version {said.get('version')}, this reads {PLAN_VERSION}; plan again")
    stages = {name: _stage_plan(raw) for name, raw in said.pop("stages").items()}
    policy = said.pop("policy")
    policy["rates"] = {name: (grants, per_s) for name, (grants, per_s) in policy["rates"].items()}
    policy |= {name: tuple(policy.get(name) or ()) for name in ("force", "after")}
    said["notes"] = tuple(said["notes"])
    return Plan(stages=stages, policy=Policy(**policy), **said)


def _stage_plan(raw: dict[str, Any]) -> StagePlan:
    needs, slots = Needs(**raw.pop("needs")), Slots(**raw.pop("slots"))
    raw["user_set"] = tuple(raw["user_set"])
    return StagePlan(needs=needs, slots=slots, **raw)


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """A line of `items.jsonl`: an input item, or the sentence that says why it cannot be one."""

    number: int
    item: Item
    problem: str = ""

    def line(self) -> str:
        """As it is written."""
        files = {n: [str(a.path), a.kind, a.digest, a.size, a.mtime_ns] for n, a in self.item.artifacts.items()}
        said = {"n": self.number, "key": self.item.key, "data": dict(self.item.data), "files": files}
        if self.problem:
            said["problem"] = self.problem
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def read_items(path: Path) -> Iterator[PlannedItem]:
    """The items of a plan, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            said = json.loads(line)
            files = {
                n: Artifact(Path(p), kind, digest, size, t) for n, (p, kind, digest, size, t) in said["files"].items()
            }
            yield PlannedItem(said["n"], Item(said["key"], said["data"], files), said.get("problem", ""))


def sampled(number: int, total: int, sample: str) -> bool:
    """True when the `number`-th of `total` items belongs to an evenly spread sample of `sample` (a number or `all`)."""
    if sample == "all":
        return True
    size = int(sample)
    if size <= 0 or total <= 0:
        return False
    return size >= total or (number * size) % total < size

"""The critical path that `plan` prints: chains, processors, rates, and what is finished already."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from runner.plan.graph import Graph, Node
from runner.plan.index import Index
from runner.plan.outlook import as_json, outlook
from runner.plan.plan import PlannedItem
from stages.contract import Child, Item, Needs, Result, Stage, Work
from stages.drill.split import Split


class _Stage(Stage[Any]):
    def run(self, work: Work) -> Result:
        raise AssertionError("planning does no work")


class _Part(_Stage):
    fans_out: ClassVar[bool] = True

    @classmethod
    def foresee(cls, config: Any, data: Mapping[str, Any]) -> Sequence[Child] | None:
        return [Child(f"{n:02d}") for n in range(data["parts"])] if "parts" in data else None


class _Draw(_Stage):
    @classmethod
    def pace(cls, config: Any) -> tuple[int, float] | None:
        return (6, 60.0)


class _Film(_Stage):
    gathers: ClassVar[bool] = True


def _graph() -> Graph:
    nodes = [
        Node("scenes", "t.part", _Part, ("input",), {}),
        Node("image", "t.draw", _Draw, ("scenes",), {}, domain=("scenes",), depth=1),
        Node("speech", "t.speak", _Stage, ("scenes",), {}, domain=("scenes",), depth=1),
        Node("clip", "t.clip", _Stage, ("image", "speech"), {}, domain=("scenes",), depth=2),
        Node("film", "t.film", _Film, ("clip",), {}, gather=True, depth=3),
    ]
    return Graph({node.name: node for node in nodes})


def _plan(cores: float = 8.0, places: int = 8) -> Any:
    stage = SimpleNamespace(needs=Needs(cpu_threads=1.0), digest="d", slots=SimpleNamespace(count=places))
    return SimpleNamespace(
        stages=dict.fromkeys(("scenes", "image", "speech", "clip", "film"), stage),
        policy=SimpleNamespace(cache_enabled=True, force=()),
        capacity={"cpu_threads": cores},
        items=1,
        config_of=lambda name, graph: None,
    )


def _found(tmp_path: Path, data: dict[str, Any], seconds: dict[str, float], cores: float = 8.0, places: int = 8) -> Any:
    index = Index(tmp_path / "cache")
    try:
        return outlook(_plan(cores, places), _graph(), [PlannedItem(0, Item("story", data), "")], index, seconds)
    finally:
        index.close()


SECONDS = {"scenes": 0.1, "image": 3.0, "speech": 1.0, "clip": 4.0, "film": 0.5}


def test_eight_pictures_at_six_a_minute_wait_a_minute(tmp_path: Path) -> None:
    found = _found(tmp_path, {"parts": 8}, SECONDS)
    assert found.seconds == pytest.approx(60.0 + 3.0 + 4.0 + 0.5)
    assert found.bound == "rate"
    assert [name for name, _ in found.chain] == ["scenes", "image (rate)", "image", "clip", "film"]


def test_six_pictures_wait_for_nothing(tmp_path: Path) -> None:
    found = _found(tmp_path, {"parts": 6}, SECONDS)
    assert found.seconds == pytest.approx(0.1 + 3.0 + 4.0 + 0.5)
    assert found.bound == "chain"


def test_two_places_make_a_queue(tmp_path: Path) -> None:
    found = _found(tmp_path, {"parts": 6}, {"clip": 4.0}, places=2)
    assert found.seconds == pytest.approx(12.0)
    assert found.chain[-3:] == (("clip (queue)", 8.0), ("clip", 4.0), ("film", 0.0))


def test_few_processors_bound_it(tmp_path: Path) -> None:
    found = _found(tmp_path, {"parts": 6}, SECONDS, cores=1.0)
    assert found.seconds == pytest.approx(0.1 + 6 * (3.0 + 1.0 + 4.0) + 0.5)
    assert found.bound == "processors"


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    found = _found(tmp_path, {}, {"image": 3.0})
    assert found.seconds == pytest.approx(3.0)
    assert found.guessed == ["scenes"]
    assert found.unknown == ["clip", "film", "scenes", "speech"]
    assert as_json(found)["chain"] == [["scenes", 0.0], ["image", 3.0], ["clip", 0.0], ["film", 0.0]]


def test_stages_foresee_nothing_unless_they_say_so() -> None:
    assert Split.foresee(None, {}) is None
    assert Split.pace(None) is None

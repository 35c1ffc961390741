"""Items and outcomes as JSON between the job and its workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.plan.index import Found, Outcome
from stages.contract import Artifact, Item


def artifact_to(artifact: Artifact) -> list[Any]:
    """An artifact as a list."""
    return [str(artifact.path), artifact.kind, artifact.digest, artifact.size, artifact.mtime_ns]


def artifact_from(said: list[Any]) -> Artifact:
    """The other way round."""
    path, kind, digest, size, mtime_ns = said
    return Artifact(Path(path), kind, digest, size, mtime_ns)


def item_to(item: Item) -> dict[str, Any]:
    """An item as an object."""
    return {
        "key": item.key,
        "data": dict(item.data),
        "files": {name: artifact_to(artifact) for name, artifact in item.artifacts.items()},
    }


def item_from(said: Mapping[str, Any]) -> Item:
    """The other way round."""
    return Item(said["key"], said["data"], {name: artifact_from(file) for name, file in said["files"].items()})


def outcome_to(outcome: Outcome) -> dict[str, Any]:
    """An outcome as an object."""
    return {
        "files": {name: artifact_to(artifact) for name, artifact in outcome.artifacts.items()},
        "data": dict(outcome.data),
        "metrics": dict(outcome.metrics),
        "notes": list(outcome.notes),
        "children": [
            {"name": c.name, "data": dict(c.data), "files": {n: artifact_to(a) for n, a in c.artifacts.items()}}
            for c in outcome.children
        ],
    }


def outcome_from(said: Mapping[str, Any]) -> Outcome:
    """The other way round."""
    return Outcome(
        artifacts={name: artifact_from(file) for name, file in said["files"].items()},
        data=said["data"],
        metrics=said["metrics"],
        notes=said["notes"],
        children=[
            Found(c["name"], c["data"], {n: artifact_from(f) for n, f in c["files"].items()}) for c in said["children"]
        ],
    )

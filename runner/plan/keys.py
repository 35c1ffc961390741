"""Cache keys: what a task's output depends on, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from stages.contract import Item, Stage
from stages.settings import output_settings

KEY_VERSION = 1


def canonical(value: Any) -> bytes:
    """JSON with one spelling for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def stage_says(stage: type[Stage[Any]], config: Any, tools: Mapping[str, str]) -> dict[str, Any]:
    """What is the same for all tasks of a stage: type, version, output settings, tools."""
    return {
        "key": KEY_VERSION,
        "stage": stage.__module__,
        "version": stage.version,
        "settings": output_settings(config),
        "tools": dict(tools),
    }


def stage_digest(says: Mapping[str, Any]) -> str:
    """Digest of `stage_says`."""
    return hashlib.sha256(canonical(says)).hexdigest()


def inputs_digest(inputs: Mapping[str, Any]) -> str:
    """Digest of what one task takes in (see `taken`)."""
    return hashlib.sha256(canonical(inputs)).hexdigest()


def task_key(stage: str, inputs: str) -> str:
    """Key of one task from the digest of its stage and the digest of its inputs."""
    return hashlib.sha256(f"{stage}{inputs}".encode()).hexdigest()


def narrow(stage: type[Stage[Any]], item: Item) -> Item:
    """The item with the artifacts and data that the stage declared and no others, so that it cannot depend on more."""
    fields = (*stage.reads, *stage.may_read)
    return Item(
        key=item.key,
        data={name: item.data[name] for name in fields if name in item.data},
        artifacts={name: item.artifacts[name] for name in stage.consumes if name in item.artifacts},
    )


def taken(item: Item, parts: Sequence[Item]) -> dict[str, Any]:
    """What a key says of a task's inputs: data by value, artifacts by digest, parts in order. Never the item's key."""
    said: dict[str, Any] = {"data": dict(item.data), "files": {n: a.digest for n, a in item.artifacts.items()}}
    if parts:
        said["parts"] = [taken(part, ()) for part in parts]
    return said

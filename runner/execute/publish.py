"""Finished files get their names: that of their item, in the output folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from runner.plan.graph import Graph
from runner.plan.index import Outcome
from stages.contract import Artifact
from stages.platform import WINDOWS
from stages.platform.files import link_or_copy

_NAME_BYTES = 255
_FORBIDDEN = '<>:"\\|?*'


class OutsideError(ValueError):
    """A name that would leave the output folder."""


def result_path(output: Path, key: str, suffix: str, extra: str = "") -> Path:
    """Where the file of an item goes: `<output>/<key>[.<extra>]<suffix>`.

    Raises:
        OutsideError: when the key leads out of the folder.
    """
    parts = [_part(part) for part in PurePosixPath(key).parts]
    ending = f".{extra}{suffix}" if extra else suffix
    if not parts or any(part == ".." or part.strip("/") == "" for part in parts):
        raise OutsideError(f"{key!r} leads out of the output folder; rename the item")
    folders = [_shortened(part, 0) for part in parts[:-1]]
    return output.joinpath(*folders) / (_shortened(parts[-1], len(ending.encode())) + ending)


def _part(part: str) -> str:
    if WINDOWS:  # what NTFS refuses becomes an underscore
        part = "".join("_" if c in _FORBIDDEN or ord(c) < 32 else c for c in part).rstrip(". ")
    return part


def _shortened(name: str, ending: int) -> str:
    """Cut to what a file system takes, between characters; a digest keeps two long names apart."""
    encoded = os.fsencode(name)
    if len(encoded) + ending <= _NAME_BYTES:
        return name
    mark = f"~{hashlib.sha256(encoded).hexdigest()[:10]}"
    return encoded[: _NAME_BYTES - ending - len(mark)].decode(errors="ignore") + mark


def publish(artifact: Artifact, target: Path) -> str:
    """Give a finished file its name; leaves it alone when it is there already.

    Returns:
        `link`, `copy` or `there`.
    """
    try:
        stat = target.stat()
        if stat.st_size == artifact.size and stat.st_mtime_ns == artifact.mtime_ns and target.samefile(artifact.path):
            return "there"
    except OSError:
        pass
    return link_or_copy(artifact.path, target)


def publish_all(names: Sequence[str], outcome: Outcome, output: Path, key: str) -> list[dict[str, Any]]:
    """Publish an outcome's artifacts of these names; what was published, as the journal tells it.

    The first gets the item's name; a further one of the same suffix gets its own name between.
    """
    made = []
    for position, name in enumerate(names):
        artifact = outcome.artifacts[name]
        alike = position and artifact.path.suffix == outcome.artifacts[names[0]].path.suffix
        target = result_path(output, key, artifact.path.suffix, name if alike else "")
        how = publish(artifact, target)
        made.append({"artifact": name, "path": str(target), "bytes": artifact.size, "how": how})
    return made


def by_the_way(graph: Graph) -> frozenset[str]:
    """The stages whose files lie beside what the pipeline is for: that is what the last of them makes, scores aside."""
    publishing = [node for node in graph.nodes.values() if node.publish]
    wanted = [node for node in publishing if not node.optional] or publishing
    last = max(wanted, key=lambda node: node.depth, default=None)
    return frozenset(node.name for node in publishing if last is None or node.depth < last.depth)

"""What makes two trials the same work: the keys under which results are remembered.

The keys are made of what the runner itself goes by when it caches: type, version, settings and tools of each stage.
Words that come to the same config make the same keys, whatever the search, its seed, its rungs and its floor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.compose import Composition
from runner.config.schema import Root
from runner.hardware.machine import Machine
from runner.plan.check import Checked, check
from runner.plan.graph import Node
from runner.plan.keys import stage_says
from runner.tune.known import Keys, quality_key, speed_key
from stages.settings import output_settings, rules_of
from stages.source import Source

_OF_THE_RUN = ("workers", "limits", "adapt", "media", "hardware", "batch_size", "temp_dir", "on_oom")
_OF_THE_PROFILE = ("workers", "workers_max", "begin")
_NOT_OF_RESULTS = ("settings", "share", "transient")  # words of a stage's wiring, and those that are said elsewhere


@dataclass(frozen=True, slots=True)
class Identity:
    """What all trials of a search have in common.

    Attributes:
        content: of each rung, what is worked on (`content_of`).
        machine: that the trials run on.
        versions: of the tools that a result hangs on, besides those that stages tell.
    """

    content: Sequence[Any]
    machine: Machine
    versions: Mapping[str, str]

    def keys(self, composition: Composition, rung: int) -> Keys:
        """Keys of a trial with this config on the sample of a rung; empty ones for a config that is refused."""
        if composition.config is None or composition.problems:
            return Keys()
        checked = check(composition.config, composition.user_keys)
        if checked.problems:
            return Keys()
        content = self.content[min(rung, len(self.content) - 1)]
        quality = quality_key(content, _result_args(checked), self.versions)
        return Keys(quality, speed_key(quality, _machine(self.machine), _speed_args(checked)))


def _machine(machine: Machine) -> str:
    """Its fingerprint, and how much of it this process may use."""
    return f"{machine.fingerprint} {machine.cpu.usable_cores} {machine.cpu.usable_threads:g}"


# --- settings --------------------------------------------------------------------------------


def _result_args(checked: Checked) -> dict[str, Any]:
    """Each stage with the settings, wiring, version and tools that have a say in what comes out."""
    return {name: _stage_args(checked, node) for name, node in checked.graph.nodes.items()}


def _stage_args(checked: Checked, node: Node) -> dict[str, Any]:
    config = checked.settings[node.name]
    raw = checked.root.pipeline.stages[node.name]
    wiring = {word: value for word, value in raw.items() if word not in _NOT_OF_RESULTS}
    says = stage_says(node.stage, config, dict(node.stage.tools(config)))
    return {**says, "settings": result_settings(config, checked.root), "wiring": wiring}


def result_settings(config: Any, root: Root) -> dict[str, Any]:
    """Settings that change what comes out. Of whole groups in them (`encoder`), those that the group says do."""
    return {name: _of_group(name, value, root) for name, value in output_settings(config).items()}


def _of_group(name: str, value: Any, root: Root) -> Any:
    group = getattr(root, name, None)
    if not isinstance(value, Mapping) or not dataclasses.is_dataclass(group):
        return value
    rules = rules_of(type(group))
    return {key: inner for key, inner in value.items() if key not in rules or rules[key].affects_output}


def _speed_args(checked: Checked) -> dict[str, Any]:
    """All else that a stage or the run was told: threads, buffers, workers, limits."""
    root = checked.root
    stages = {
        name: {key: _portable(value, root) for key, value in dataclasses.asdict(config).items()}
        for name, config in checked.settings.items()
    }
    run = {name: _plain(getattr(root, name)) for name in _OF_THE_RUN} | {"scored_after": root.quality.after}
    return {"stages": stages, "run": run, "profile": {name: getattr(root.profile, name) for name in _OF_THE_PROFILE}}


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _portable(value: Any, root: Root) -> Any:
    """A file in the outputs folder by its place in it: the folder may be called otherwise the next time."""
    inside = isinstance(value, str) and value.startswith(f"{root.outputs_dir}/")
    return value.removeprefix(root.outputs_dir) if inside else value


# --- content ---------------------------------------------------------------------------------


def content_of(source: Source[Any], files: Sequence[Path], amount: str) -> dict[str, Any]:
    """What trials work on, as a key says it.

    Args:
        source: that reads the files.
        files: the whole input. Excerpts are told by it and their amount: some containers put a number by lot into each.
        amount: how much of it, in words (`4 seconds`, `whole`).
    """
    settings = output_settings(source.config)
    reference = Path(str(settings["reference"])) if settings.get("reference") else None
    return {
        "source": type(source).__module__, "settings": settings, "amount": amount,
        "files": [digest_of(file) for file in files],
        "reference": [digest_of(file) for file in _files(reference)] if reference else [],
    }  # fmt: skip


def _files(place: Path) -> list[Path]:
    return sorted(file for file in place.iterdir() if file.is_file()) if place.is_dir() else [place]


def digest_of(file: Path) -> str:
    """SHA-256 of a file's bytes: 64 hex digits."""
    import hashlib

    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()

"""The outcome of a search as an option of the group `profile`, with where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.platform.files import write_atomic

_GROUPS = ("encoder", "tts", "upscaler", "images", "script")  # chosen whole, then changed in parts


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a tuned profile comes from; written into it, and compared with where it is used.

    Attributes:
        pipeline: that was tuned.
        machine: fingerprint of the machine, and `cpu`, its processor.
        versions: of the tools that speed and quality hang on.
        said: further lines for people: objective, floor, data, MLflow run.
    """

    pipeline: str
    machine: str
    cpu: str
    versions: Mapping[str, str]
    said: Mapping[str, str]


def profile_name(hardware: str, pipeline: str) -> str:
    """`tuned_cpu_transcode`."""
    return f"tuned_{hardware}_{pipeline}"


def write_profile(folder: Path, name: str, base: Mapping[str, Any], chosen: Mapping[str, Any], origin: Origin) -> Path:
    """Write `<folder>/<name>.yaml`.

    Args:
        folder: a `conf/profile/`.
        name: of the profile.
        base: the group `profile` that every trial had.
        chosen: config key → value that was found.
        origin: where it comes from.
    """
    import yaml  # type: ignore[import-untyped]

    config = _config(name, base, chosen, origin)
    head = ["# @package _global_", *_head(name, origin)]
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.yaml"
    write_atomic(target, "\n".join(head) + "\n" + text)
    return target


def _head(name: str, origin: Origin) -> Iterator[str]:
    yield f"# {name}: found by `reeltune tune` for {origin.pipeline} on {origin.cpu}. Use it with profile={name}"
    for key, value in origin.said.items():
        yield f"# {key}: {value}"


def _config(name: str, base: Mapping[str, Any], chosen: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    groups = [{f"override /{key}": value} for key, value in chosen.items() if key in _GROUPS]
    profile = {**base, "name": name, "begin": {}, "tuned": _tuned(origin)}
    config: dict[str, Any] = {"profile": profile}
    for key, value in chosen.items():
        if key in _GROUPS:
            continue
        if key.startswith("workers."):  # where `auto` begins: the runner still follows the load
            profile["begin"][key.partition(".")[2]] = value
        else:
            _put(config, key.split("."), value)
    return {"defaults": groups, **config} if groups else config


def _tuned(origin: Origin) -> dict[str, Any]:
    return {
        "pipeline": origin.pipeline, "machine": origin.machine, "cpu": origin.cpu, "versions": dict(origin.versions)
    }  # fmt: skip


def _put(config: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        config = config.setdefault(part, {})
    config[path[-1]] = value

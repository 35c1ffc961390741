"""A run in MLflow's words: name, parameters, tags. Pure functions of `run.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runner.record.masking import mask, mask_words

VALUE_LENGTH = 500
KEY_LENGTH = 250
_NOT_IN_NAMES = ("input", "output", "outputs_dir", "pipeline", "tracking", "hydra", "progress")
TERMINAL = {"ok": "FINISHED", "partial": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


def experiment_name(pipeline: str) -> str:
    """One experiment per pipeline, so that its runs compare."""
    return f"reeltune/{pipeline}"


def run_name(summary: Mapping[str, Any]) -> str:
    """What a person recognises: `narrate fast workers.encode=4 #3`, or the time of day for a single run."""
    requested = summary.get("requested") or {}
    words = list(_telling(mask_words(summary.get("overrides") or ())))
    profile = requested.get("profile") or requested.get("profile.name")
    if isinstance(profile, str) and profile and not any(word.startswith("profile=") for word in words):
        words.insert(0, profile)
    job = summary.get("job")
    time_of_day = str(summary.get("started_at") or "")[11:19]
    last = f"#{job}" if summary.get("sweep") and job is not None else time_of_day
    return " ".join([str(summary.get("pipeline", "run")), *(w.removeprefix("profile=") for w in words), last]).strip()[
        :200
    ]


def _telling(words: Iterable[str]) -> list[str]:
    keys = ((word, re.match(r"[+~]*([\w@/.]+)=", word)) for word in words)  # else it is a file
    kept = [word for word, key in keys if key and key[1].split(".")[0] not in _NOT_IN_NAMES]
    return [word[:60] for word in kept[:6]]


def params(summary: Mapping[str, Any]) -> dict[str, str]:
    """The settings asked for; keys and values as MLflow takes them, secrets masked."""
    return _named(mask(summary.get("requested") or {}))


def tags(summary: Mapping[str, Any], origin: Mapping[str, str]) -> dict[str, str]:
    """What a run is and where it ran; `origin` comes from the process that started it."""
    known: dict[str, Any] = {
        "reeltune.run_id": summary.get("run_id"),
        "pipeline": summary.get("pipeline"),
        "sweep": summary.get("sweep"),
        "job": summary.get("job"),
        "overrides": " ".join(mask_words(summary.get("overrides") or ())),
        **{f"hardware.{key}": value for key, value in flat(summary.get("hardware") or {}).items()},
        **{f"version.{key}": value for key, value in flat(summary.get("versions") or {}).items()},
        **origin,
    }
    return _named({key: value for key, value in known.items() if value not in (None, "")})


def closing_tags(summary: Mapping[str, Any]) -> dict[str, str]:
    """What is known at the end: status, what was really used instead of what was asked, notes."""
    counts = summary.get("counts") or {}
    known = {
        "status": summary["status"],
        "reason": summary.get("reason"),
        "degraded": "true" if summary.get("degraded") else "false",
        "items": f"{counts.get('ok', 0)} of {counts.get('items', 0)} ok",
        "notes": "\n".join(summary.get("notes") or ())[:4000],
        **{f"effective.{key}": value for key, value in different(summary).items()},
    }
    return _named({key: value for key, value in known.items() if value not in (None, "")}, length=4000)


def different(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Effective settings that are not what was asked."""
    requested, effective = summary.get("requested") or {}, summary.get("effective") or {}
    return mask({key: value for key, value in effective.items() if key not in requested or requested[key] != value})


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as dotted keys."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            found |= flat({str(n): each for n, each in enumerate(value)}, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def key_of(name: str) -> str:
    """A name that MLflow takes: letters, digits, `_ - . space`, no dots at the ends, at most 250."""
    return re.sub(r"[^\w\-. ]", "_", name, flags=re.ASCII).strip(". ")[:KEY_LENGTH] or "_"


def _named(values: Mapping[str, Any], length: int = VALUE_LENGTH) -> dict[str, str]:
    """Keys made legal (and kept apart when that makes two alike), values as text."""
    found: dict[str, str] = {}
    for name, value in values.items():
        key = first = key_of(str(name))
        number = 1
        while key in found:
            number += 1
            key = f"{first[: KEY_LENGTH - 5]}_{number}"
        found[key] = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))[:length]
    return found


def git_commit(folder: Path) -> str | None:
    """The commit that a checkout stands at, read from `.git` without starting git; None outside of one."""
    home = folder / ".git"
    if home.is_file():  # a worktree: the file names the folder
        home = (folder / home.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
    try:
        head = (home / "HEAD").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not head.startswith("ref: "):
        return head
    common = home / "commondir"
    top = (home / common.read_text(encoding="utf-8").strip()) if common.is_file() else home
    return _commit_of(top, head.removeprefix("ref: "))


def _commit_of(home: Path, ref: str) -> str | None:
    if (home / ref).is_file():
        return (home / ref).read_text(encoding="utf-8").strip()
    packed = home / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {ref}")), None)

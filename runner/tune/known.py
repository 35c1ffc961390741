"""What any search under an outputs folder measured before: quality for all machines, speed for its own."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.tune.trials import BOOK, Outcome, read_trials

_OF_THE_RESULT = ("quality.", "size.", "audio.", "video.frames", "video.duration_s")  # the same on any machine


def quality_key(content: Any, args: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """Key of what a result is like: 64 hex digits.

    Args:
        content: digests of what is coded, and which part of it.
        args: every setting that has a say in the result.
        versions: of the tools that code and score.
    """
    return _digest({"content": content, "args": dict(args), "versions": dict(versions)})


def speed_key(quality: str, machine: str, settings: Mapping[str, Any] | None = None) -> str:
    """Key of how fast a result is made.

    Args:
        quality: `quality_key` of the result.
        machine: its fingerprint.
        settings: those that have a say in the speed alone.
    """
    return _digest({"quality": quality, "machine": machine, "settings": dict(settings or {})})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def known_quality(outputs: Path, key: str) -> dict[str, float] | None:
    """Figures of the result that was measured under this key, on whatever machine; None when none was."""
    found = [o for o in _outcomes(outputs) if key and o.quality_key == key and o.state in ("ok", "infeasible")]
    rows = [_of_result(o.figures) for o in found]
    return next((row for row in reversed(rows) if row), None)


def known_speed(outputs: Path, key: str) -> dict[str, float] | None:
    """Figures of speed under this key, medians over all the times it was measured; None when it was not."""
    rows = [
        {name: value for name, value in outcome.figures.items() if not name.startswith(_OF_THE_RESULT)}
        for outcome in _outcomes(outputs)
        if key and outcome.speed_key == key and outcome.state in ("ok", "infeasible") and outcome.figures
    ]
    names = {name for row in rows for name in row}
    return {name: statistics.median(row[name] for row in rows if name in row) for name in sorted(names)} or None


def _of_result(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if name.startswith(_OF_THE_RESULT)}


def _outcomes(outputs: Path) -> Iterator[Outcome]:
    for file in sorted((outputs / "tune").rglob(BOOK)):
        for trial in read_trials(file).values():
            yield from trial.outcomes.values()

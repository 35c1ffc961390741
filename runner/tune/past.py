"""Jobs of past sweeps as trials: `tune from=…`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.record.jsonl import read_lines
from runner.record.rundir import read_json
from runner.tune.known import Taken
from runner.tune.pick import judge
from runner.tune.space import Point, SearchSpace

ALL = "all"


def past_trials(
    sources: Sequence[str], outputs: Path, space: SearchSpace, machine: str
) -> Iterator[tuple[Point, Taken]]:
    """Jobs of sweeps that ran this pipeline on this machine with every setting of a point: that point, and what came.

    Args:
        sources: sweep folders, MLflow ids of sweeps, or `all`.
        outputs: the outputs folder whose sweeps are meant by `all` and by ids.
        space: what is searched.
        machine: fingerprint; speeds of another machine do not count.
    """
    seen: set[str] = set()
    for folder in _folders(sources, outputs):
        for _, line in read_lines(folder / "jobs.jsonl"):
            run = Path(line["run_dir"]) if line and line.get("run_dir") else None
            found = _past(run, space, machine) if run else None
            if found and found[0].digest not in seen:
                seen.add(found[0].digest)
                yield found


def _folders(sources: Sequence[str], outputs: Path) -> Iterator[Path]:
    sweeps = sorted(path.parent for path in outputs.glob("sweeps/*/*/sweep.json"))
    for source in sources:
        if source == ALL:
            yield from sweeps
        elif (Path(source) / "jobs.jsonl").is_file():
            yield Path(source)
        else:
            yield from (folder for folder in sweeps if read_json(folder / "sweep.json").get("mlflow_run_id") == source)


def _past(run: Path, space: SearchSpace, machine: str) -> tuple[Point, Taken] | None:
    summary = read_json(run / "run.json")
    if summary.get("pipeline") != space.pipeline or summary.get("status") != "ok" or summary.get("degraded"):
        return None
    if (summary.get("hardware") or {}).get("fingerprint") != machine:
        return None
    point = _point(summary.get("requested") or {}, space)
    figures = summary.get("metrics") or {}
    if point is None or space.objective.metric not in figures:
        return None
    if space.quality and space.quality.metric not in figures:
        return None
    state, reason = judge(space, figures)
    return point, Taken(state, figures, str(run), reason, rows=(figures,), run=run)


def _point(requested: Mapping[str, Any], space: SearchSpace) -> Point | None:
    """The point that a run's settings are; None when they are none of the space."""
    named = {**requested, "encoder": requested.get("encoder.name")}
    try:
        return space.point({key.name: named[key.name] for key in space.keys if named.get(key.name) is not None})
    except (KeyError, ValueError):
        return None

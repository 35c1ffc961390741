"""What tasks took in past runs on this machine: medians by stage."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

from runner.record.jsonl import read_lines
from runner.record.rundir import all_run_dirs, read_json

RUNS = 5  # of the newest that did any work
WAITED = ".limiter_wait_s"  # metric of a task that waited for a grant: that is no work of its own


def stage_seconds(outputs: Path, pipeline: str, machine: str) -> Mapping[str, float]:
    """Stage → median seconds of a task that was really done, in the newest runs of a pipeline on this machine."""
    found: dict[str, list[float]] = {}
    runs = 0
    for run in reversed(list(all_run_dirs(outputs))):
        summary = read_json(run.run_json)
        if summary.get("pipeline") != pipeline or (summary.get("hardware") or {}).get("fingerprint") != machine:
            continue
        took = [event for _, event in read_lines(run.journal) if event and _is_done(event)]
        for event in took:
            waited = sum(v for name, v in (event.get("metrics") or {}).items() if name.endswith(WAITED))
            found.setdefault(event["stage"], []).append(max(0.0, event["t1"] - event["t0"] - waited))
        runs += bool(took)
        if runs == RUNS:
            break
    return {stage: statistics.median(values) for stage, values in found.items()}


def _is_done(event: Mapping[str, object]) -> bool:
    return event.get("event") == "task" and event.get("status") == "done"

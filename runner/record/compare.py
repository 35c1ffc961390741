"""A sweep at a glance: `compare.png` and `compare.html` from its jobs' `run.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.record.compareplot import draw_comparison
from runner.record.jobs import JobRow, best, read_jobs, varying
from runner.record.masking import mask_words
from runner.record.measures import LOWER_IS_BETTER, QUALITY, SIZE, SPEED, present, title_of
from runner.record.report import environment, number, size
from runner.record.rundir import read_json
from stages.platform.files import beside, write_atomic

_UNJUDGED = ("cache.hit_ratio", "resource.cpu_util")  # neither more nor less of these is better
_HEADS = {
    "throughput.items_per_s": "items/s",
    "throughput.x_realtime": "× real time",
    "throughput.fps": "frames/s",
    SIZE: "size",
    "cache.hit_ratio": "cached",
    "resource.cpu_util": "CPU %",
    "resource.rss_peak_mb": "memory MB",
    "resource.vram_peak_mb": "VRAM MB",
}
_RESOURCES = ("cache.hit_ratio", "resource.cpu_util", "resource.rss_peak_mb", "resource.vram_peak_mb")
_MOST_ROWS = 30
_COLUMNS = (*SPEED, *QUALITY, SIZE, *_RESOURCES)


def compare_sweep(sweep_dir: Path) -> Path:
    """Draw and tabulate a sweep's jobs; returns the picture's path.

    Which figures are shown follows from what varied between the jobs and what they measured.
    """
    rows = read_jobs(sweep_dir)
    sweep = read_json(sweep_dir / "sweep.json")
    picture = sweep_dir / "compare.png"
    temp = beside(picture)
    words = [word for word in mask_words(sweep.get("overrides") or ()) if "," in word]
    draw_comparison(rows, temp, " ".join([sweep.get("pipeline", ""), *words])[:110])
    temp.replace(picture)
    page = environment().get_template("compare.html").render(**_context(sweep_dir, sweep, rows))
    write_atomic(sweep_dir / "compare.html", page)
    return picture


def markdown(rows: Sequence[JobRow]) -> str:
    """The table for where HTML cannot be shown, such as a run's description in MLflow; at most 30 jobs."""
    settings, columns = varying(rows), present([row.metrics for row in rows], _COLUMNS)
    heads = ["#", *settings, "status", *(_HEADS.get(name) or title_of(name) for name in columns)]
    lines = [heads, ["---"] * len(heads)]
    for row in rows[:_MOST_ROWS]:
        cells = (_text(name, row.metrics.get(name)) for name in columns)
        lines.append([str(row.number), *(row.settings.get(key, "–") for key in settings), row.standing, *cells])
    table = "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in lines)
    left = len(rows) - _MOST_ROWS
    return table + (f"\n\nand {left} more in compare.html" if left > 0 else "")


def _context(sweep_dir: Path, sweep: dict[str, Any], rows: Sequence[JobRow]) -> dict[str, Any]:
    columns = present([row.metrics for row in rows], _COLUMNS)
    tops = {name: best(rows, name, lowest=name in LOWER_IS_BETTER) for name in columns if name not in _UNJUDGED}
    return {
        "sweep": {**sweep, "overrides": mask_words(sweep.get("overrides") or ())},
        "settings": varying(rows),
        "columns": [_HEADS.get(name) or title_of(name) for name in columns],
        "jobs": [_job(sweep_dir, row, columns, tops) for row in rows],
        "counts": {
            status: sum(row.status == status for row in rows) for status in dict.fromkeys(r.status for r in rows)
        },
    }


def _job(sweep_dir: Path, row: JobRow, columns: Sequence[str], tops: dict[str, float | None]) -> dict[str, Any]:
    cells = []
    for name in columns:
        value = row.metrics.get(name)
        cells.append((_text(name, value), value is not None and row.status == "ok" and value == tops.get(name)))
    return {"row": row, "cells": cells, "report": _link(sweep_dir, row)}


def _text(name: str, value: float | None) -> str:
    if value is not None and name == SIZE:
        return size(value)
    if value is not None and name == "cache.hit_ratio":
        return f"{100 * value:.0f} %"
    return number(value)


def _link(sweep_dir: Path, row: JobRow) -> str | None:
    """The job's report, relative to the sweep's page, so that the outputs folder can be moved."""
    if row.run_dir is None or not (row.run_dir / "report.html").is_file():
        return None
    import os
    from urllib.parse import quote

    return quote(os.path.relpath(row.run_dir / "report.html", sweep_dir).replace(os.sep, "/"))

"""The report page of a run: one HTML file that needs nothing else, made from the run's folder."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from runner.record.describe import different, flat
from runner.record.jsonl import read_lines
from runner.record.masking import mask
from runner.record.rundir import RunDir, read_json
from runner.record.timeline import clock, draw_timeline
from stages.platform.files import write_atomic

FAILURES_SHOWN = 100
PICTURES_SHOWN = 6
_PICTURE_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage in figures; `share` is the part of its slots' time that it worked, 0..1."""

    name: str
    tasks: int
    cached: int
    failed: int
    busy_s: float
    share: float
    slots: int
    p50_s: float
    p95_s: float


def write_report(run: RunDir) -> Path:
    """Write `report.html` from `run.json`, journal, samples and failures; returns its path."""
    summary = read_json(run.run_json)
    page = environment().get_template("report.html").render(**_context(run, summary))
    write_atomic(run.report, page)
    return run.report


def environment() -> Any:
    """Jinja over the templates beside this file, everything escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(clock=clock, number=number, size=size)
    return made


def _context(run: RunDir, summary: dict[str, Any]) -> dict[str, Any]:
    start = _start(run)
    rows = list(_stage_rows(summary, start))
    slots = {row.name: row.slots for row in rows}
    failures = [failure for _, failure in islice(read_lines(run.failures), FAILURES_SHOWN) if failure]
    requested = mask(summary.get("requested") or {})
    return {
        "run": summary,
        "cards": list(_cards(summary)),
        "rows": rows,
        "holdup": _holdup(rows),
        "timeline": draw_timeline(run, slots, summary["wall_s"], summary["counts"]["tasks"]),
        "different": [(key, requested.get(key), value) for key, value in sorted(different(summary).items())],
        "requested": sorted(requested.items()),
        "quality": list(_quality(summary["metrics"])),
        "pictures": list(islice(_pictures(run), PICTURES_SHOWN)),
        "failures": failures,
        "more_failures": max(0, sum(1 for _ in read_lines(run.failures)) - len(failures)),
        "machine": sorted(flat({**(summary.get("hardware") or {}), "version": summary.get("versions") or {}}).items()),
    }


def _start(run: RunDir) -> dict[str, Any]:
    return next((event for _, event in read_lines(run.journal) if event and event.get("event") == "start"), {})


def _pictures(run: RunDir) -> Iterator[tuple[str, str]]:
    """Pictures that the run published (scores by frame, before and after): title, and the picture as a data address."""
    for _, event in read_lines(run.journal):
        if not event or event.get("event") != "output" or not str(event.get("path")).endswith(".png"):
            continue
        file = Path(event["path"])
        if file.is_file() and file.stat().st_size <= _PICTURE_BYTES:
            data = base64.b64encode(file.read_bytes()).decode()
            yield f"{event['item']}: {event['artifact']}", f"data:image/png;base64,{data}"


def _stage_rows(summary: Mapping[str, Any], start: Mapping[str, Any]) -> Iterator[StageRow]:
    metrics, wall_s = summary["metrics"], summary["wall_s"] or 1.0
    seen = [name.split(".")[1] for name in metrics if name.startswith("stage.")]
    for name in dict.fromkeys([*(start.get("stages") or ()), *seen]):
        of = {key: metrics.get(f"stage.{name}.{key}", 0.0) for key in ("tasks", "cached", "failed", "busy_s")}
        slots = int((start.get("slots") or {}).get(name) or 1)
        slots = max(slots, int((summary.get("effective") or {}).get(f"workers.{name}") or 0))
        yield StageRow(
            name=name,
            tasks=int(of["tasks"]),
            cached=int(of["cached"]),
            failed=int(of["failed"]),
            busy_s=of["busy_s"],
            share=min(1.0, of["busy_s"] / (slots * wall_s)),
            slots=slots,
            p50_s=metrics.get(f"stage.{name}.p50_s", 0.0),
            p95_s=metrics.get(f"stage.{name}.p95_s", 0.0),
        )


def _holdup(rows: list[StageRow]) -> StageRow | None:
    """The stage that worked the largest part of its time, when any stage worked at all."""
    busiest = max(rows, key=lambda row: row.share, default=None)
    return busiest if busiest and busiest.share > 0 else None


def _cards(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures at the top, label and text."""
    counts, metrics = summary["counts"], summary["metrics"]
    yield "items", f"{counts['ok']} of {counts['items']}"
    yield "time", clock(summary["wall_s"])
    labels = {
        "throughput.items_per_s": ("items/s", "{:.3g}", 1),
        "throughput.fps": ("frames/s", "{:.1f}", 1),
        "throughput.x_realtime": ("× real time", "{:.1f}", 1),
        "cache.hit_ratio": ("from cache", "{:.0f} %", 100),
        "resource.cpu_util": ("CPU, mean", "{:.0f} %", 1),
        "resource.rss_peak_mb": ("memory, peak", "{:.0f} MB", 1),
        "resource.vram_peak_mb": ("VRAM, peak", "{:.0f} MB", 1),
    }
    for name, (label, form, factor) in labels.items():
        if name in metrics:
            yield label, form.format(metrics[name] * factor)
    if "size.bytes" in metrics:
        yield "files", size(metrics["size.bytes"])


def _quality(metrics: Mapping[str, float]) -> Iterator[tuple[str, float, float | None, float | None]]:
    """Name, mean, smallest, largest of every quality figure."""
    for name, value in metrics.items():
        if name.startswith("quality.") and not name.endswith(("_min", "_max")):
            yield name.removeprefix("quality."), value, metrics.get(f"{name}_min"), metrics.get(f"{name}_max")


def number(value: float | None) -> str:
    """A figure in four digits; a dash for none."""
    return "–" if value is None else f"{value:.4g}"


def size(count: float) -> str:
    """Bytes in the unit that people read: `3.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

"""The jobs of a sweep as comparable rows: what varied, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.record.jsonl import read_lines
from runner.record.masking import MASK, is_secret
from runner.record.measures import QUALITY, SIZE, fastest, name_of, present, said, speed_of, truest
from runner.record.rundir import read_json


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job: its swept words as `settings`, its figures, and where its run lies (None when refused).

    `origin` says where it was measured, when it was not run here, or not scored: `taken from transcode-1a2b #3`.
    """

    number: int
    settings: Mapping[str, str]
    status: str
    metrics: Mapping[str, float]
    wall_s: float
    degraded: bool
    run_dir: Path | None
    origin: str = ""

    @property
    def label(self) -> str:
        """The settings in short, for points and table rows."""
        words = (v if v[:1].isalpha() else f"{short(key)}={v}" for key, v in self.settings.items())
        return " ".join(words) or f"#{self.number}"

    @property
    def standing(self) -> str:
        """Its status in words, with where it is from."""
        return f"{self.status}, {self.origin}" if self.origin else self.status


def read_jobs(sweep_dir: Path) -> list[JobRow]:
    """Jobs of a sweep by number, with only those settings that differ between them."""
    rows = [_row(line) for _, line in read_lines(sweep_dir / "jobs.jsonl") if line]
    varied = set(varying(rows))
    kept = [_with(row, {k: v for k, v in row.settings.items() if k in varied}) for row in rows]
    return sorted(kept, key=lambda row: row.number)


def varying(rows: Sequence[JobRow]) -> list[str]:
    """Settings that are not the same in all jobs, in the order of the command line."""
    keys = list(dict.fromkeys(key for row in rows for key in row.settings))
    return [key for key in keys if len({row.settings.get(key) for row in rows}) > 1]


def short(key: str) -> str:
    """A setting's key without its group: `workers.encode` → `encode`."""
    return key.rpartition(".")[2]


def best(rows: Sequence[JobRow], metric: str, *, lowest: bool = False) -> float | None:
    """The best value of a metric among jobs that made all their items."""
    values = [row.metrics[metric] for row in rows if row.status == "ok" and metric in row.metrics]
    return (min(values) if lowest else max(values)) if values else None


def best_told(rows: Sequence[JobRow]) -> list[tuple[str, str]]:
    """The fastest job and that of best quality: `best VMAF`, `#0 x264 fast: 104 frames/s, VMAF 94.7, 1.51 MB`.

    Of jobs that made all their items; nothing when there is only one to choose from.
    """
    whole = [row for row in rows if row.status == "ok"]
    figures = [row.metrics for row in whole]
    if len(whole) < 2:
        return []
    quick, good = fastest(figures), truest(figures)
    heads = [*([("fastest", quick[1])] if quick else []), *([(f"best {name_of(good[0])}", good[1])] if good else [])]
    return [(head, f"#{whole[n].number} {whole[n].label}: {figures_told(figures[n])}") for head, n in heads]


def figures_told(metrics: Mapping[str, float]) -> str:
    """Speed, quality and size in a few words: `104 frames/s, VMAF 94.7, 1.51 MB`."""
    speed, qualities = speed_of([metrics]), present([metrics], QUALITY)
    names = [*([speed] if speed else []), *qualities[:1], *present([metrics], [SIZE])]
    return ", ".join(said(name, metrics[name]) for name in names)


def _row(line: Mapping[str, Any]) -> JobRow:
    run_dir = Path(line["run_dir"]) if line.get("run_dir") else None
    summary = summary_of(line)
    return JobRow(
        number=int(line["job"]),
        settings=_settings(line.get("overrides") or ()),
        status=summary.get("status") or ("refused" if line.get("refused") else "missing"),
        metrics=summary.get("metrics") or {},
        wall_s=float(summary.get("wall_s") or 0.0),
        degraded=bool(summary.get("degraded")),
        run_dir=run_dir,
        origin=_origin(line),
    )


def _origin(line: Mapping[str, Any]) -> str:
    if line.get("taken"):
        return f"taken from {line['taken']}"
    return f"quality of {line['quality_of']}" if line.get("quality_of") else ""


def summary_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """`run.json` of a job; {} when there is none. Of one that is `taken` the figures are those in the line itself."""
    summary = read_json(Path(line["run_dir"]) / "run.json") if line.get("run_dir") else {}
    if line.get("taken"):
        return {**summary, "status": line.get("state", "ok"), "metrics": line.get("figures") or {}}
    return summary


def _settings(words: Sequence[str]) -> dict[str, str]:
    pairs = (word.lstrip("+").partition("=") for word in words if "=" in word)
    return {key: MASK if is_secret(key) else value for key, _, value in pairs}


def _with(row: JobRow, settings: Mapping[str, str]) -> JobRow:
    return JobRow(row.number, settings, row.status, row.metrics, row.wall_s, row.degraded, row.run_dir, row.origin)

"""From sums to the flat metrics of `run.json`: one vocabulary for all pipelines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from runner.record.jsonl import read_lines
from runner.record.tally import Spread, StageTally, Tally, is_number

_SUMMED = ("duration_s", "audio_s", "bytes", "frames", "characters")  # adding these up means something
_LOWER_IS_BETTER = ("quality.wer", "quality.der", "quality.cer", "quality.true_peak_db")
_MEANT: tuple[str, ...] = ("resource.cpu_util", "resource.gpu_util", "resource.ram_util")
_MEDIA_S = ("audio.duration_s", "speech.audio_s", "video.duration_s", "media.duration_s")


def resource_metrics(samples: Path) -> dict[str, float]:
    """Means and peaks of `metrics.jsonl`: `resource.cpu_util` (mean, %), `resource.rss_peak_mb` and their like."""
    spreads: dict[str, Spread] = {}
    for _, sample in read_lines(samples):
        for name, value in ((sample or {}).get("m") or {}).items():
            if name.startswith("resource.") and is_number(value):
                spreads.setdefault(name, Spread()).add(value)
    found: dict[str, float] = {name: spreads[name].mean for name in _MEANT if name in spreads}
    for name in ("rss", "vram", "disk"):
        if spread := spreads.get(f"resource.{name}_mb"):
            found[f"resource.{name}_peak_mb"] = spread.high
    return found


def last_sample_t(samples: Path) -> float:
    """Time of the last sample, seconds since the start; 0.0 without samples."""
    last = 0.0
    for _, sample in read_lines(samples):
        last = max(last, float((sample or {}).get("t") or 0.0))
    return last


def journal_metrics(tally: Tally, ok: int, wall_s: float) -> dict[str, float]:
    """All that the journal says in numbers. Speeds do not count the time in which scoring was all that went on."""
    metrics: dict[str, float] = {}
    made_s = wall_s - tally.aside.seconds
    if made_s > 0:
        metrics["throughput.items_per_s"] = ok / made_s
    metrics |= _task_metrics(tally.stages, made_s)
    if tally.bytes:
        metrics.setdefault(
            "size.bytes", tally.bytes
        )  # a stage that made a film tells its size without plots and tables
    metrics |= _cache_metrics(tally.stages)
    for name, stage in tally.stages.items():
        metrics |= _stage_metrics(name, stage)
    metrics["retries"] = tally.retries
    return metrics | {f"failures.{name}": count for name, count in sorted(tally.failures.items())}


def _task_metrics(stages: dict[str, StageTally], made_s: float) -> dict[str, float]:
    """Metrics that tasks reported. When two stages report one name, the deeper one judged the finished thing."""
    metrics: dict[str, float] = {}
    for stage in stages.values():
        for name, spread in stage.metrics.items():
            metrics |= _reported(name, spread)
    media_s = max((s.metrics[name].total for s in stages.values() for name in _MEDIA_S if name in s.metrics), default=0)
    if media_s and made_s > 0:
        metrics["throughput.x_realtime"] = media_s / made_s
    if made := [stage.making.fps for stage in stages.values() if stage.making.fps]:
        metrics["throughput.fps"] = min(made)  # a join by stream copy reports frames too, and takes no time
    return metrics


def _reported(name: str, spread: Spread) -> dict[str, float]:
    if name.endswith(_SUMMED):
        return {name: spread.total}
    if name.startswith("resource.") and "peak" in name:
        return {name: spread.high}
    if name == "target.error":
        return {name: spread.mean, f"{name}_min": spread.low, f"{name}_max": spread.high}
    if not name.startswith("quality."):
        return {name: spread.mean}
    if name in _LOWER_IS_BETTER:
        return {name: spread.mean, f"{name}_max": spread.high}
    found = {name: spread.mean, f"{name}_min": spread.low}
    if name == "quality.lufs":  # both too quiet and too loud are wrong
        found["quality.lufs_max"] = spread.high
    return found


def _cache_metrics(stages: dict[str, StageTally]) -> dict[str, float]:
    tasks = sum((stage.tasks for stage in stages.values()), Counter[str]())
    asked = tasks["done"] + tasks["cached"] + tasks["failed"]
    return {"cache.hit_ratio": tasks["cached"] / asked} if asked else {}


def _stage_metrics(name: str, stage: StageTally) -> dict[str, float]:
    prefix = f"stage.{name}"
    metrics = {
        f"{prefix}.tasks": float(stage.tasks["done"] + stage.tasks["failed"]),
        f"{prefix}.cached": float(stage.tasks["cached"]),
        f"{prefix}.failed": float(stage.tasks["failed"]),
        f"{prefix}.busy_s": stage.busy_s,
        f"{prefix}.cpu_s": stage.cpu_s,
    }
    if stage.tasks["done"]:
        metrics[f"{prefix}.p50_s"] = stage.durations.quantile(0.50)
        metrics[f"{prefix}.p95_s"] = stage.durations.quantile(0.95)
    if stage.rss_peak_mb:
        metrics[f"{prefix}.rss_peak_mb"] = stage.rss_peak_mb
    return metrics

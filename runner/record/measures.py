"""Which metrics tell the speed, quality and size of a run, which way is better, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Figures = Mapping[str, float]

SPEED = ("throughput.x_realtime", "throughput.fps", "throughput.items_per_s")
QUALITY = (
    "quality.vmaf_mean",
    "quality.vmaf_p1",
    "quality.pesq",
    "quality.stoi",
    "quality.ssim",
    "quality.psnr",
    "quality.wer",
    "quality.der",
)
PICTURE = ("quality.vmaf_mean", "quality.vmaf_p1", "quality.ssim", "quality.psnr")
SIZE = "size.bytes"
LOWER_IS_BETTER = ("quality.wer", "quality.der", SIZE, "resource.rss_peak_mb", "resource.vram_peak_mb")
# Frames per second are those of the time in which frames were made; items per second also count the scoring.
_TELLING = ("throughput.fps", "throughput.items_per_s", "throughput.x_realtime")
_TITLES = {
    "throughput.items_per_s": "items per second",
    "throughput.x_realtime": "times real time",
    "throughput.fps": "frames per second",
    SIZE: "size, MB",
    "quality.vmaf_mean": "VMAF (mean)",
    "quality.vmaf_p1": "VMAF (1 % low)",
}
_UNITS = {"throughput.items_per_s": "items/s", "throughput.x_realtime": "× real time", "throughput.fps": "frames/s"}


def present(figures: Iterable[Figures], names: Sequence[str]) -> list[str]:
    """Those of the metrics that at least one job has."""
    found = {name for each in figures for name in each}
    return [name for name in names if name in found]


def title_of(metric: str) -> str:
    """A metric in words."""
    return _TITLES.get(metric, metric.partition(".")[2].upper().replace("_", " "))


def name_of(metric: str) -> str:
    """A metric of quality by its plain name: `VMAF`."""
    return title_of(metric).removesuffix(" (mean)")


def speed_of(figures: Iterable[Figures]) -> str | None:
    """The metric that compares the jobs' speed best; None when no job has one."""
    return next(iter(present(figures, _TELLING)), None)


def fastest(jobs: Sequence[Figures]) -> tuple[str, int] | None:
    """By which metric, and the number in the sequence, of the fastest job; None when none has a speed."""
    by = speed_of(jobs)
    return (by, _top(jobs, by)) if by else None


def truest(jobs: Sequence[Figures]) -> tuple[str, int] | None:
    """By which metric, and the number in the sequence, of the job of best quality; of equals the fastest."""
    by = next(iter(present(jobs, QUALITY)), None)
    return (by, _top(jobs, by)) if by else None


def _top(jobs: Sequence[Figures], by: str) -> int:
    speed, sign = speed_of(jobs) or "", -1 if by in LOWER_IS_BETTER else 1
    having = [number for number, job in enumerate(jobs) if by in job]
    return max(having, key=lambda number: (sign * jobs[number][by], jobs[number].get(speed, 0.0)))


def plain(value: float) -> str:
    """Three digits that count, never an exponent: `0.155`, `94.7`, `1510`."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def said(metric: str, value: float) -> str:
    """A figure with its unit: `140 frames/s`, `VMAF 94.7`, `1.51 MB`."""
    if metric == SIZE:
        return f"{plain(value / 1e6)} MB"
    if metric in _UNITS:
        return f"{plain(value)} {_UNITS[metric]}"
    return f"{name_of(metric)} {plain(value)}"

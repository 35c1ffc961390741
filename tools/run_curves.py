"""Memory and disk of a run over its time, as a picture: `python tools/run_curves.py RUN_FOLDER PICTURE.png`.

The disk is that of the run's file system, beside it what the finished segments take that the journal tells of: what
lies between the two curves is all else that a run needs.
"""

from __future__ import annotations

import sys
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from runner.record.jsonl import read_lines
from runner.record.rundir import RunDir

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = list[tuple[float, float]]
_MIB = 1024 * 1024
_GREY, _BLUE, _ORANGE = "#55606e", "#2f6fb3", "#d07a28"


def sampled(run: RunDir, metric: str) -> Curve:
    """(seconds, value) of each sample that has the metric."""
    samples = (sample for _, sample in read_lines(run.samples) if sample)
    return [(float(s["t"]), float(s["m"][metric])) for s in samples if metric in s["m"]]


def finished_segments(run: RunDir) -> Curve:
    """(seconds, MB of all segments that were finished by then)."""
    tasks = (event for _, event in read_lines(run.journal) if event and event.get("event") == "task")
    made = [(float(t["t1"]), t["metrics"]["upscale.segment_bytes"] / _MIB) for t in tasks if _is_segment(t)]
    made.sort()
    return [(0.0, 0.0), *zip((t for t, _ in made), accumulate(size for _, size in made), strict=True)]


def _is_segment(task: dict[str, object]) -> bool:
    return task.get("status") == "done" and "upscale.segment_bytes" in (task.get("metrics") or {})  # type: ignore[operator]


def draw(run: RunDir, picture: Path) -> None:
    """Two panels, one below the other: memory of all processes, and the disk."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, figsize=(9, 5), layout="constrained")
    _panel(upper, "memory, MB", {"all processes": (sampled(run, "resource.rss_mb"), _BLUE)})
    disk = {
        "all that the run put there": (sampled(run, "resource.disk_mb"), _ORANGE),
        "finished segments": (finished_segments(run), _GREY),
    }
    _panel(lower, "disk, MB", disk)
    lower.set_xlabel("seconds since the start")
    figure.savefig(picture, dpi=110)


def _panel(axes: Axes, name: str, curves: dict[str, tuple[Curve, str]]) -> None:
    for label, (points, colour) in curves.items():
        axes.plot([t for t, _ in points], [value for _, value in points], color=colour, label=label, linewidth=1.6)
    axes.set_ylabel(name)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.grid(color="#e3e7ec", linewidth=0.7)
    axes.legend(loc="upper center", frameon=False, ncols=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    draw(RunDir(Path(sys.argv[1])), Path(sys.argv[2]))

"""A search against its whole grid, and what it found against `balanced` on another film.

`python -m benchmarks tune`. The grid of `encoders_small` is run once on a mixed clip of three scenes; then a search of
30 % of its points starts from nothing. The points that it tried are judged by the grid's own figures, so that the noise
of the second run counts neither for nor against it. At last the profile it wrote and `balanced` encode another clip, in
turns: the floor of the search is what `balanced` reaches on the first one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import CORES, table
from benchmarks.tuning import film, measured, paired, profile, search

SIZE, RATE, SCENE_S = "640x360", 25, 3
MIXED = (
    f"mandelbrot=s={SIZE}:r={RATE}:start_scale=1.2:end_scale=0.02:end_pts=60",
    f"gradients=s={SIZE}:r={RATE}:seed=7:speed=0.04:nb_colors=4,format=yuv420p,noise=c0s=4:c0f=t",
    f"testsrc2=s={SIZE}:r={RATE}",
)
OTHER = (
    f"mandelbrot=s={SIZE}:r={RATE}:start_x=-0.74:start_y=0.13:start_scale=0.6:end_scale=0.01:end_pts=60",
    f"gradients=s={SIZE}:r={RATE}:seed=21:speed=0.06:nb_colors=6,format=yuv420p,noise=c0s=5:c0f=t",
    f"cellauto=s={SIZE}:r={RATE}:rule=110:seed=3,boxblur=2",
)  # fmt: skip


def main() -> None:
    """Run all of it and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        clip, other = film(cwd / "mixed.mp4", MIXED, RATE, SCENE_S), film(cwd / "other.mp4", OTHER, RATE, SCENE_S)
        words = ("pipeline=transcode", str(clip), "search=encoders_small", "video.chunks=off")
        floor = measured(cwd, *_balanced(clip))[VMAF]
        bound = f"quality.vmaf='>={floor:.2f}'"
        grid = search(cwd, "grid", *words, bound, "sampler=grid", "repeats=1")
        found = search(cwd, "search", *words, bound)
        _told_grid(grid, floor)
        _told_search(grid, found, floor)
        name = profile(cwd, "transcode")
        tuned = ("pipeline=transcode", str(other), "quality.sample=all", f"profile={name}")
        paired("another clip", FPS, VMAF, {"balanced": _balanced(other), name: tuned}, cwd)


def _balanced(clip: Path) -> tuple[str, ...]:
    return "pipeline=transcode", str(clip), "quality.sample=all", "profile=balanced", "encoder=x264"


# --- told ------------------------------------------------------------------------------------------

FPS, VMAF = "throughput.fps", "quality.vmaf_mean"


def _told_grid(grid: Sequence[Mapping[str, Any]], floor: float) -> None:
    rows = [
        (_words(trial["settings"]), f"{trial[FPS]:.1f}", f"{trial[VMAF]:.2f}", f"{trial['size.bytes'] / 1e3:.0f}",
         "yes" if trial[VMAF] >= floor else "")
        for trial in sorted(grid, key=lambda trial: -trial[FPS]) if FPS in trial
    ]  # fmt: skip
    title = f"the whole grid: {len(grid)} points, {SIZE}, {3 * SCENE_S} s, {CORES} cores; floor VMAF {floor:.2f}"
    table(title, ("settings", "frames/s", "VMAF", "kB", "keeps the floor"), rows)


def _words(settings: Mapping[str, Any]) -> str:
    return " ".join(str(value) if isinstance(value, str) else f"{key.rpartition('.')[2]}={value}"
                    for key, value in settings.items())  # fmt: skip


def _told_search(grid: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], floor: float) -> None:
    from runner.tune.pareto import hypervolume
    from runner.tune.space import Goal

    true = {json.dumps(trial["settings"], sort_keys=True): trial for trial in grid if FPS in trial}
    seen = [true[key] for trial in found if (key := json.dumps(trial["settings"], sort_keys=True)) in true]
    goals, reference = [Goal(FPS), Goal(VMAF)], (0.0, min(trial[VMAF] for trial in true.values()))
    share = hypervolume(seen, goals, reference) / hypervolume(list(true.values()), goals, reference)
    best = max((trial for trial in true.values() if trial[VMAF] >= floor), key=lambda trial: trial[FPS])
    picked = max((trial for trial in seen if trial[VMAF] >= floor), key=lambda trial: trial[FPS])
    rows = [
        ("trials", "≤ 30 % of the grid", f"{len(found)} of {len(grid)} ({100 * len(found) / len(grid):.0f} %)"),
        ("hypervolume (frames/s × VMAF)", "≥ 0.95 of the grid's", f"{share:.3f}"),
        ("its fastest that keeps the floor / the grid's", "≥ 0.97", f"{picked[FPS] / best[FPS]:.3f}"),
        ("the grid's fastest that keeps the floor", "", _words(best["settings"])),
    ]
    table("a search from nothing, judged by the grid's figures", ("", "bar", "found"), rows)


if __name__ == "__main__":
    main()

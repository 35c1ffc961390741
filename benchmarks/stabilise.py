"""Stabilising: how much less clips flicker whose motion is known, what sharpness it costs, and CPU time per frame."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmarks.measure import HOME, spread, table
from stages.quality.temporal import detail_kept, sharpness, warping_error
from stages.upscale.stabilise import Stabiliser

sys.path.insert(0, str(HOME / "tests"))  # the clips are made there

SCENES = ("still", "pan", "passing", "words", "turning", "fast")
LEVELS = ("light", "strong")
SIZES = ((320, 180), (640, 360))
FRAMES = 8


def steadied(level: str, clip: Any) -> tuple[list[Any], list[float]]:
    """Frames, and milliseconds of CPU time for each."""
    stabiliser, done, costs = Stabiliser(level, 4), [], []
    for luma, raw in zip(clip.inputs, clip.raw, strict=True):
        began = time.process_time()
        done += stabiliser.push(luma, raw)
        costs.append(1000 * (time.process_time() - began))
    return done + stabiliser.flush(), costs[2:]  # from the third frame on there are two neighbours


def moved(clip: Any, frames: Sequence[Any]) -> float:
    """Warping error along the known motion, of 255."""
    steps = zip(pairwise(frame[1] for frame in frames), clip.flows[1:], strict=True)
    return 255 * mean([warping_error(a, b, *flow) for (a, b), flow in steps])


def kept(clip: Any, frames: Sequence[Any]) -> float:
    return mean([detail_kept(frame[1], clean[1]) for frame, clean in zip(frames, clip.clean, strict=True)])


def off(clip: Any, frames: Sequence[Any]) -> float:
    """Mean error against the clean frames, of 255."""
    return 255 * mean([abs(frame - clean).mean() for frame, clean in zip(frames, clip.clean, strict=True)])


def sharp_of(frames: Sequence[Any]) -> float:
    return mean([sharpness(frame[1]) for frame in frames])


def mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


def row(name: str, level: str, clip: Any) -> tuple[str, ...]:
    done, _ = steadied(level, clip)
    before, after = moved(clip, clip.raw), moved(clip, done)
    less = f"{100 * (after / before - 1):+.0f} %" if before > 1 else "–"
    detail = 100 * (kept(clip, done) / kept(clip, clip.raw) - 1)
    sharp = [100 * (sharp_of(frames) / sharp_of(clip.clean) - 1) for frames in (clip.raw, done)]
    errors = f"{off(clip, clip.raw):.2f} → {off(clip, done):.2f}"
    return (
        name,
        level,
        f"{before:.2f} → {after:.2f}",
        less,
        f"{detail:+.1f} %",
        f"{sharp[0]:+.0f} → {sharp[1]:+.0f} %",
        errors,
    )


def quality() -> None:
    from flicker_help import made, scene

    rows = []
    for name in SCENES:
        clip = made(scene(name), FRAMES)
        rows += [row(name, level, clip) for level in LEVELS]
    for name in ("words", "turning"):
        clip = made(scene(name), FRAMES, flicker=(0, 0, 0), grain=0)
        rows += [row(f"{name}, no flicker", level, clip) for level in LEVELS]
    head = (
        "scene",
        "level",
        "warping error, of 255",
        "change",
        "clean detail",
        "Laplacian variance beside clean",
        "error, of 255",
    )
    table("steadied clips, motion known, 192 × 108 → 768 × 432", head, rows)


def cost() -> None:
    from flicker_help import made, scene

    rows = []
    for size in SIZES:
        clip = made(scene("passing", size), FRAMES, size=size)
        _, costs = steadied("strong", clip)
        rows.append((f"{size[0]} × {size[1]}", f"{4 * size[0]} × {4 * size[1]}", spread(costs)))
    table("CPU time per frame, ms, one thread: median (range)", ("input", "output", "ms"), rows)


def main() -> None:
    quality()
    cost()


if __name__ == "__main__":
    main()

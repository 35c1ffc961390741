"""Searches and paired runs from the command line, for the benchmarks of `tune`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import HOME, table

TURNS = 5


def film(target: Path, scenes: Sequence[str], rate: int, scene_s: float, *, crf: int = 8) -> Path:
    """Scenes of lavfi, one after another, as H.264."""
    sys.path.insert(0, str(HOME))
    from stages.media.ffmpeg import ffmpeg_binary

    inputs = [word for scene in scenes for word in ("-f", "lavfi", "-t", str(scene_s), "-i", scene)]
    parts = "".join(f"[{n}:v]format=yuv420p,fps={rate},settb=AVTB[v{n}];" for n in range(len(scenes)))
    joined = parts + "".join(f"[v{n}]" for n in range(len(scenes))) + f"concat=n={len(scenes)}[v]"
    coded = ["-map", "[v]", "-c:v", "libx264", "-preset", "fast", "-crf", str(crf), "-g", str(rate), f"file:{target}"]
    words = ["-nostdin", "-v", "error", "-y", *inputs, "-filter_complex", joined, *coded]
    subprocess.run([str(ffmpeg_binary().path), *words], check=True)
    return target


def reeltune(cwd: Path, *words: str) -> None:
    """Run a command line; it must succeed."""
    env = {**os.environ, "PYTHONPATH": str(HOME)}
    command = [sys.executable, "-m", "runner", *words]
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout[-4000:]}\n{words} ended with {done.returncode}")


def measured(cwd: Path, *words: str) -> dict[str, float]:
    """Figures of one run that takes nothing from the cache, and scores when all is made, as trials do."""
    reeltune(cwd, *words, "cache.enabled=false", "quality.after=true")
    run = json.loads((cwd / "outputs" / "latest" / "run.json").read_text(encoding="utf-8"))
    metrics: dict[str, float] = run["metrics"]
    return metrics


def search(cwd: Path, name: str, *words: str) -> list[dict[str, Any]]:
    """Trials of a search in an outputs folder of its own: settings, state, figures."""
    sys.path.insert(0, str(HOME))
    from runner.tune.trials import TrialBook

    reeltune(cwd, "tune", *words, f"outputs_dir={cwd / name}")
    (book,) = (cwd / name / "tune").glob("*/book")
    return [
        {"settings": trial.point.as_dict(), "state": trial.outcomes[rung].state, **trial.outcomes[rung].figures}
        for trial in TrialBook(book).trials()
        for rung in [max(trial.outcomes)]
    ]


def profile(cwd: Path, pipeline: str) -> str:
    """Name of the profile that a search wrote."""
    (found,) = (cwd / "conf" / "profile").glob(f"tuned_*_{pipeline}.yaml")
    return found.stem


def settings_of(cwd: Path, name: str) -> str:
    """What a tuned profile sets, without what it has from the one it began with."""
    text = (cwd / "conf" / "profile" / f"{name}.yaml").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


def paired(title: str, speed: str, quality: str, ways: Mapping[str, Sequence[str]], cwd: Path) -> float:
    """Both ways in turns, as a table; the median of the second's speed by the first's in the same turn."""
    (first, _), (second, _) = ways.items()
    turns = [{name: measured(cwd, *words) for name, words in ways.items()} for _ in range(TURNS)]
    rows = [
        (name, f"{statistics.median(turn[name][speed] for turn in turns):.2f}",
         f"{statistics.median(turn[name][quality] for turn in turns):.4g}", f"{turns[0][name]['size.bytes'] / 1e3:.0f}")
        for name in ways
    ]  # fmt: skip
    table(f"{title}, {TURNS} turns, medians", ("profile", speed, quality, "kB"), rows)
    ratios = [turn[second][speed] / turn[first][speed] for turn in turns]
    median = statistics.median(ratios)
    sys.stdout.write(f"\n{second} / {first}: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f})\n")
    return median

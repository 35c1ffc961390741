"""Measuring whole commands: wall, CPU seconds of the command and all it waited for, peak memory of its processes."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HOME = Path(__file__).resolve().parent.parent
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, CPU seconds, MB."""

    wall_s: float
    cpu_s: float
    rss_mb: float = 0.0


def command(*words: str) -> list[str]:
    """A reeltune command line."""
    return [sys.executable, "-m", "runner", *words]


def run(words: Sequence[str], cwd: Path, *, watch: bool = False) -> Cost:
    """Run a command to its end; with `watch` its processes' memory is looked at ten times a second."""
    env = {**os.environ, "PYTHONPATH": str(HOME)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(words, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = _Peak(process.pid) if watch else None
    _, errors = process.communicate()
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}: {errors.decode()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, peak.stop() if peak else 0.0)


class _Peak(threading.Thread):
    """Peak of the summed resident memory of a process and its children, MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._peak, self._end = pid, 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._end.wait(0.1):
            try:
                root = psutil.Process(self._pid)
                family = [root, *root.children(recursive=True)]
                self._peak = max(self._peak, sum(p.memory_info().rss for p in family) / 1e6)
            except psutil.Error:
                continue

    def stop(self) -> float:
        self._end.set()
        self.join()
        return self._peak


def median_of(times: int, once: Callable[[], Cost]) -> Cost:
    """The run with the median wall time."""
    costs = sorted((once() for _ in range(times)), key=lambda cost: cost.wall_s)
    return costs[len(costs) // 2]


def newest_run(cwd: Path) -> dict[str, Any]:
    """run.json of the newest run."""
    found: dict[str, Any] = json.loads((cwd / "outputs" / "latest" / "run.json").read_text(encoding="utf-8"))
    return found


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def spread(values: Sequence[float]) -> str:
    """Median and range, as text."""
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"

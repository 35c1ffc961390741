"""What the runner itself costs: trivial tasks, and memory against the number of items."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import HOME, command, newest_run, run, table

DRILL = ["--config-dir", str(HOME / "tests" / "conf"), "pipeline=trivial", "progress=off"]


def main() -> None:
    """1,000, 10,000 and 100,000 trivial items; each a task in a worker process, journaled, cached, by key."""
    sizes = [int(word) for word in sys.argv[2:] if word.isdigit()] or [1_000, 10_000, 100_000]
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            cwd = Path(name)
            (cwd / "list.txt").write_text("".join(f"text {n}\n" for n in range(size)))
            fresh = run(command(*DRILL, "list.txt", "tracking.enabled=false"), cwd, watch=True)
            job = newest_run(cwd)["wall_s"]
            job_rss = _job_rss(cwd)
            again = run(command(*DRILL, "list.txt", "tracking.enabled=false"), cwd)
            rows.append([
                f"{size:,}", f"{fresh.wall_s:.1f}", f"{1000 * job / size:.2f}", f"{1000 * fresh.cpu_s / size:.2f}",
                f"{job_rss:.0f}", f"{fresh.rss_mb:.0f}", f"{again.wall_s:.1f}", f"{1000 * again.wall_s / size:.2f}",
            ])  # fmt: skip
    head = [
        "trivial tasks", "wall, s", "ms a task", "CPU ms a task", "job and workers, MB", "all processes, MB",
        "again, all cached, s", "ms a task",
    ]  # fmt: skip
    table("Cost of the runner itself", head, rows)


def _job_rss(cwd: Path) -> float:
    samples = (cwd / "outputs" / "latest" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return max(json.loads(line)["m"]["resource.rss_mb"] for line in samples)


if __name__ == "__main__":
    main()

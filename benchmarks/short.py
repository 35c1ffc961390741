"""The four ways of a short with eight scenes: serial, pictures parallel, on NVENC, two at once on NVENC.

`python -m benchmarks short`. One multirun against a picture service on the loopback that takes as long as a real one,
with speech by the offline voice. Where there is no NVENC the encoder falls back to x264, and the table says so. The
reference took 213, 183, 163 and 159 s for eight scenes, with another speech service and another machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import CORES, HOME, table

WAYS = {"serial": 213, "images_parallel": 183, "nvenc": 163, "nvenc_two": 159}  # seconds of the reference
LATENCY_S = 8.0  # of one picture; services of this kind take 5 to 15 s
GRANTS = 6


def main() -> None:
    """Run the sweep and print its table."""
    sys.path.insert(0, str(HOME / "tests"))
    from servers.images_api import ImagesApi

    with tempfile.TemporaryDirectory() as folder, ImagesApi(latency=LATENCY_S) as images:
        _sweep(Path(folder), images.url)
        runs = sorted(Path(folder).glob("outputs/short/*/*/run.json"))
        jobs = sorted((json.loads(run.read_text(encoding="utf-8")) for run in runs), key=lambda job: job["job"])
    head = ("way", "wall s", "reference s", "waited for the rate, s", "size MB", "VMAF of clips", "encoder")
    title = f"short of 8 scenes, pictures in {LATENCY_S:g} s, {GRANTS} a minute, {CORES} cores"
    table(title, head, [_row(way, job) for way, job in zip(WAYS, jobs, strict=True)])


def _sweep(cwd: Path, url: str) -> None:
    """All four, one after another; no picture from the cache, each with a minute of its own."""
    words = [
        "-m", "pipeline=short", str(HOME / "docs" / "examples" / "story.md"), f"schedule={','.join(WAYS)}",
        "images=openai", f"images.url={url}", "images.model=flux", "images.api_key_env=", "images.rates_dir=",
        "cache.enabled=false", "quality.sample=all",
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(HOME)}
    subprocess.run([sys.executable, "-m", "runner", *words], cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL)


def _row(way: str, job: dict[str, Any]) -> tuple[str, ...]:
    metrics = job["metrics"]
    return (
        way, f"{job['wall_s']:.0f}", str(WAYS[way]), f"{metrics.get('images.limiter_wait_s', 0.0):.0f}",
        f"{metrics['size.bytes'] / 1e6:.1f}", f"{metrics['quality.vmaf_mean']:.1f}",
        str(job["effective"].get("encoder.name")),
    )  # fmt: skip


if __name__ == "__main__":
    main()

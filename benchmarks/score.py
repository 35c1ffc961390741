"""Scoring of pictures against the bare libvmaf command: the same pair, all threads, in turns.

Bare is VMAF alone: nothing is counted, aligned, or drawn. Ours is the whole stage (it reads when frames are shown,
scores VMAF, SSIM and PSNR, compares thumbnails, writes every frame's scores and the plot), as a worker runs it: opened
once.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import CORES, Cost, run, spread, table
from stages.contract import Artifact, Item, Work
from stages.media.ffmpeg import ffmpeg_binary
from stages.quality.picture import ScorePicture, ScorePictureSettings

SIZES = {"720p": "1280x720", "1080p": "1920x1080"}
FRAMES = 250
ROUNDS = 5


def pair(home: Path, size: str) -> tuple[Path, Path]:
    """Ten seconds of noisy moving footage, and an encode of it."""
    reference, video = home / f"{size}-reference.mp4", home / f"{size}-video.mp4"
    source = f"testsrc2=s={size}:r=25,noise=alls=3:allf=t:all_seed=7"
    x264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
    made = ("-f", "lavfi", "-i", source, "-frames:v", str(FRAMES), *x264, "-crf", "20", str(reference))
    for words in (made, ("-i", str(reference), *x264, "-crf", "30", str(video))):
        run([str(ffmpeg_binary().path), "-nostdin", "-v", "error", "-y", *words], home)
    return reference, video


def bare(reference: Path, video: Path, home: Path) -> Cost:
    """The command that one types: VMAF alone, a thread for each core."""
    graph = f"[0:v][1:v]libvmaf=n_threads={CORES}:log_fmt=json:log_path=bare.json"
    words = ["-nostdin", "-v", "error", "-i", str(video), "-i", str(reference), "-lavfi", graph, "-f", "null", "-"]
    return run([str(ffmpeg_binary().path), *words], home)


def ours(stage: ScorePicture, reference: Path, video: Path, home: Path) -> Cost:
    """One task of the stage."""
    files = {"reference": Artifact(reference, "video/mp4"), "video": Artifact(video, "video/mp4")}
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        before, began = cpu_s(), time.monotonic()
        stage.run(Work(Item("film", artifacts=files), Path(scratch)))
        return Cost(time.monotonic() - began, cpu_s() - before)


def cpu_s() -> float:
    """CPU seconds of this process and of the programs that it waited for."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def main() -> None:
    stage = ScorePicture(ScorePictureSettings())
    stage.open()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, size in SIZES.items():
            files = pair(home, size)
            ways: dict[str, Callable[[], Cost]] = {
                "bare": partial(bare, *files, home),
                "ours": partial(ours, stage, *files, home),
            }
            for once in ways.values():
                once()  # the disk's cache is warm for both, and what is loaded once is loaded
            costs: dict[str, list[Cost]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, once in ways.items():
                    costs[way].append(once())
            rows.append(row(name, costs))
    head = ("size", "libvmaf alone, s", "the stage, s", "speed of bare (wall)", "speed of bare (CPU)")
    table(f"scoring {FRAMES} frames, {CORES} threads, {ROUNDS} rounds in turns: median (range)", head, rows)


def row(name: str, costs: dict[str, list[Cost]]) -> tuple[str, ...]:
    walls = {way: [cost.wall_s for cost in found] for way, found in costs.items()}
    cpus = {way: statistics.median(cost.cpu_s for cost in found) for way, found in costs.items()}
    wall = statistics.median(walls["bare"]) / statistics.median(walls["ours"])
    return name, spread(walls["bare"]), spread(walls["ours"]), f"{wall:.3f}", f"{cpus['bare'] / cpus['ours']:.3f}"


if __name__ == "__main__":
    main()

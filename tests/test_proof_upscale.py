"""upscale under kills, over half an hour of footage, and on a disk that really fills."""

import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import psutil
import pytest
from cli import QUIET, reeltune, start
from film_help import film
from test_disk_full import small_disk  # noqa: F401 - a fixture
from test_resume import everything_of, job_of, wait_for_end

from runner.plan.index import Index

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-c:a", "aac")
QUICK = ("encoder=x264", "encoder.preset=ultrafast", "encoder.threads=2", "progress=off")


def packets(path):
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(container.streams.video[0]) if p.size]


@pytest.mark.proof
def test_twenty_five_kills_and_the_film_is_the_same_packet_by_packet(tmp_path, capsys):
    source = film(tmp_path / "clip.mp4", *H264, seconds=60, size="160x96")
    words = [*QUIET, "pipeline=upscale", str(source), *QUICK, "upscaler.segment_s=1"]
    (tmp_path / "whole").mkdir()
    whole = reeltune(tmp_path / "whole", *words, timeout=600)
    assert whole.code == 0, whole.err
    chance = random.Random(4)
    counts = []
    for round_ in range(25):
        kill_once(tmp_path, words, ("parent", "job", "worker")[round_ % 3], chance)
        counts.append(finished(tmp_path))
    done = reeltune(tmp_path, *words, timeout=600)
    assert done.code == 0, done.err
    wanted = packets(whole.run["outputs"]["clip"])
    assert len(wanted) == 1500 and packets(done.run["outputs"]["clip"]) == wanted
    assert counts == sorted(counts) and counts[12] > 0, "what was finished stayed finished"
    assert not [f for f in (tmp_path / "outputs").rglob("*") if ".part-" in f.name and f.suffix]
    with capsys.disabled():
        sys.stdout.write(f"\nkills: segments stored after each {counts}, of {len(whole.tasks('done', 'segment'))}")


def kill_once(cwd, words, who, chance):
    """Start it, kill one of its processes at a random moment, and let all others end."""
    process = start(cwd, *words)
    job = job_of(process, 60)
    time.sleep(chance.uniform(0.2, 6.0))
    if process.poll() is not None:
        return
    pids = everything_of(process)
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        os.kill(victim(process, job, who), signal.SIGKILL)
    if who == "worker":  # costs an attempt, not the run: the run itself is ended a moment later
        time.sleep(0.5)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    process.wait(120)
    wait_for_end(pids, 60)


def victim(process, job, who):
    workers = job.children() if who == "worker" else []
    return {"parent": process.pid, "job": job.pid}.get(who) or (workers[-1].pid if workers else job.pid)


def finished(cwd):
    """Segments that are known to be finished, also those that were let go with their film."""
    if not (cwd / "outputs" / "cache" / "index.db").is_file():
        return 0
    index = Index(cwd / "outputs" / "cache")
    known = {stage: tasks for stage, tasks, _ in index.stages()}
    index.close()
    return known.get("upscale.segment", 0)


@pytest.mark.proof
def test_half_an_hour_takes_no_more_memory_and_disk_at_its_end(tmp_path, capsys):
    """45,000 frames: memory and all that is not finished segments stay flat over the second half."""
    source = film(tmp_path / "long.mp4", *H264, seconds=1800, size="64x36")
    watch = _Disk(tmp_path / "outputs")
    words = ["upscaler=lanczos"]
    done = reeltune(tmp_path, *QUIET, "pipeline=upscale", str(source), *QUICK, *words, timeout=1500)
    disk = watch.stop()
    assert done.code == 0, done.err
    assert done.run["metrics"]["video.frames"] == 45_000 and len(packets(done.run["outputs"]["long"])) == 45_000
    times = [task["t1"] for task in done.events("task") if task["stage"] == "segment" and task["status"] == "done"]
    first, last = min(times), max(times)
    samples = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    memory = [s["m"]["resource.rss_mb"] for s in samples if first <= s["t"] <= last]
    beside = disk[: max(4, round(len(disk) * last / samples[-1]["t"]))]
    with capsys.disabled():
        sys.stdout.write(
            f"\nhalf an hour, {last:.0f} s: RSS, MB {told(memory)}; disk beside segments, MB {told(beside)}"
        )
    assert len(memory) >= 12, "long enough to tell"
    middle, end = halves(memory)
    assert end < 1.1 * middle, "memory"
    assert max(beside) < 8, "MB of journal, index and its write-ahead log (4 MB at most), segments in the making"


def halves(samples):
    """Medians of the third and of the fourth quarter."""
    quarter = len(samples) // 4
    return statistics.median(samples[2 * quarter : 3 * quarter]), statistics.median(samples[3 * quarter :])


def told(samples):
    step = max(1, len(samples) // 8)
    return " → ".join(f"{number:.1f}" for number in samples[::step])


class _Disk(threading.Thread):
    """Each second: MB below a folder that are no finished segment in the store."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder, self._end, self._seen = folder, threading.Event(), []
        self.start()

    def run(self):
        while not self._end.wait(1.0):
            self._seen.append(sum(self._size(f) for f in self._folder.rglob("*")) / 1e6)

    def _size(self, file):
        with contextlib.suppress(OSError):
            stored = "objects" in file.parts and file.suffix == ".mp4"
            return 0 if stored or file.is_dir() or file.is_symlink() else file.stat().st_blocks * 512
        return 0

    def stop(self):
        self._end.set()
        self.join()
        return self._seen


class _Others(threading.Thread):
    """Somebody else, who fills the disk when two segments lie there, but for room for a few more."""

    ROOM = 1_000_000

    def __init__(self, disk):
        super().__init__(daemon=True)
        self._disk, self._end = disk, threading.Event()
        self.file = disk / "others.bin"
        self.start()

    def run(self):
        objects = self._disk / "outputs" / "cache" / "objects"
        while not self._end.wait(0.05) and len(list(objects.rglob("*.mp4"))) < 2:
            pass
        with self.file.open("wb") as file:
            while (free := shutil.disk_usage(self._disk).free) > self.ROOM:
                file.write(bytes(min(1 << 22, free - self.ROOM)))
                file.flush()

    def stop(self):
        self._end.set()
        self.join()


@pytest.mark.proof
def test_a_disk_that_fills_stops_the_run_cleanly_and_it_goes_on_with_room(tmp_path, small_disk, capsys):  # noqa: F811
    source = film(tmp_path / "clip.mp4", *H264, "-crf", "30", seconds=20, size="320x180")
    words = [*QUIET, "pipeline=upscale", str(source), *QUICK, "upscaler=lanczos", "upscaler.segment_s=1"]
    words += ["encoder.quality=2", "upscaler.disk_factor=0", "upscaler.keep_free_mb=0", "limits.worker_ram_mb=0"]
    (tmp_path / "whole").mkdir()
    whole = reeltune(tmp_path / "whole", *words)
    assert whole.code == 0, whole.err
    size = Path(whole.run["outputs"]["clip"]).stat().st_size
    assert size > 6_500_000, "more than the others leave"
    subprocess.run(
        ["mount", "-o", "remount,size=500m", str(small_disk)], check=True
    )  # or it is refused before any work
    others = _Others(small_disk)
    full = reeltune(tmp_path, *words, f"outputs_dir={small_disk}/outputs")
    others.stop()
    said = full.out + full.err
    assert full.code in (1, 3) and "Traceback" not in said, said
    assert "no space left on the disk" in said or "the disk is full" in said
    kept = len(list((small_disk / "outputs" / "cache" / "objects").rglob("*.mp4")))
    others.file.unlink()
    again = reeltune(tmp_path, *words, f"outputs_dir={small_disk}/outputs")
    assert again.code == 0, again.err
    made = next((small_disk / "outputs").rglob("result/clip.mp4"))
    assert kept > 0 and packets(made) == packets(whole.run["outputs"]["clip"])
    with capsys.disabled():
        sys.stdout.write(
            f"\na disk that others fill: {kept} segments of a film of {size / 1e6:.1f} MB kept; {said[:200]}\n"
        )

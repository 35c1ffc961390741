"""The monitor against real processes, real CPU work and real files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from runner.record import cgroup
from runner.record.monitor import Monitor
from runner.record.proctree import _from_psutil, process_tree

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
NESTED = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=sys.stdout); p.wait()"


@contextmanager
def processes(*commands: list[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Started, and each has said that it is up; ended at the end."""
    started = [subprocess.Popen(c, stdout=subprocess.PIPE, text=True, start_new_session=True) for c in commands]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline()
        yield started
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.wait()


def test_the_tree_holds_children_of_children() -> None:
    with processes([sys.executable, "-c", NESTED, *SLEEP], SLEEP) as started:
        tree = process_tree(os.getpid())
        grandchildren = {child.pid for child in psutil.Process(started[0].pid).children()}
        assert len(grandchildren) == 1
        assert {os.getpid(), *(p.pid for p in started), *grandchildren} <= {p.pid for p in tree}
        assert {p.pid for p in tree} == {p.pid for p in _from_psutil(os.getpid())}
        assert all(process.rss_mb > 1 for process in tree)


def test_a_process_that_is_gone_has_no_tree() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert process_tree(child.pid) == []


def test_memory_of_children_counts(tmp_path: Path) -> None:
    monitor = Monitor(os.getpid(), [tmp_path])
    before = monitor.sample({})["resource.rss_mb"]
    hungry = "import time; b = bytearray(80_000_000); b[::4096] = b'x' * len(b[::4096])"
    hungry += "; print('up', flush=True); time.sleep(60)"
    with processes([sys.executable, "-c", hungry]):
        after = monitor.sample({})["resource.rss_mb"]
    assert 75 < after - before < 130


def test_work_shows_as_cpu_of_the_machine() -> None:
    monitor = Monitor(os.getpid())
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        pass
    share = monitor.sample({})["resource.cpu_util"]
    assert 90 / len(os.sched_getaffinity(0)) <= share <= 100


@pytest.mark.skipif(shutil.which("sleep") is None, reason="no sleep program to rename")
def test_ffmpeg_processes_are_counted(tmp_path: Path) -> None:
    fake = tmp_path / "ffmpeg-linux-x86_64-v9"
    shutil.copy(str(shutil.which("sleep")), fake)
    monitor = Monitor(os.getpid())
    with subprocess.Popen([fake, "30"]) as one, subprocess.Popen([fake, "30"]) as two:
        time.sleep(0.1)
        assert monitor.sample({})["resource.ffmpeg_processes"] == 2
        one.kill()
        two.kill()
    assert monitor.sample({})["resource.ffmpeg_processes"] == 0


def test_names_are_those_of_the_format_and_progress_is_carried() -> None:
    sample = Monitor(os.getpid()).sample({"progress.items_done": 7.0})
    assert sample["progress.items_done"] == 7.0
    assert 0 < sample["resource.ram_util"] <= 100
    assert sample.keys() >= {"resource.cpu_util", "resource.rss_mb", "resource.ram_util", "resource.ffmpeg_processes"}
    if shutil.which("nvidia-smi") is None:
        assert "resource.vram_mb" not in sample


@pytest.mark.gpu
def test_vram_is_what_the_driver_says() -> None:
    ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    told = sum(map(float, subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()))
    assert Monitor(os.getpid()).sample({})["resource.vram_mb"] == pytest.approx(told, abs=700)


def test_written_bytes_show_on_the_disk(tmp_path: Path) -> None:
    monitor = Monitor(os.getpid(), [tmp_path])
    if monitor._disk is None or not monitor._devices:
        pytest.skip("this folder lies on no disk that the kernel counts")
    with (tmp_path / "big").open("wb") as file:
        file.write(os.urandom(24_000_000))
        file.flush()
        os.fsync(file.fileno())
    seconds = time.monotonic() - monitor._then
    written = monitor.sample({})["resource.disk_write_mb_s"] * seconds
    assert written > 20


def test_one_sample_is_cheap_beside_twenty_processes() -> None:
    """CPU time, not wall time: other processes may hold the machine. The best of a few."""
    with processes(*[SLEEP] * 20):
        monitor = Monitor(os.getpid())
        spent = []
        for _ in range(5):
            before = time.process_time()
            monitor.sample({})
            spent.append(time.process_time() - before)
    assert min(spent) < 0.010


def test_cpu_time_of_a_container(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert cgroup.cpu_seconds(tmp_path) == 2.5
    assert cgroup.cpu_seconds(tmp_path / "nothing here") is None

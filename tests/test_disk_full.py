"""A disk that fills up: a clean stop, one sentence, and the run goes on after room is made. Needs a small tmpfs."""

import subprocess

import pytest
from cli import drill, lines, step
from disk_help import mounted


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "small", "6m") as disk:
        yield disk


def test_a_full_disk_stops_cleanly_and_the_run_goes_on_later(tmp_path, small_disk):
    lines(tmp_path / "l.txt", *[f"{i} " + "x" * 200_000 for i in range(40)])
    words = [f"outputs_dir={small_disk}/outputs", *step("first", busy_s=0.0)]
    full = drill(tmp_path, "drill", "l.txt", *words)
    assert full.code in (1, 2, 3), full.out
    assert "Traceback" not in full.err + full.out
    assert "full" in full.err + full.out


def test_full_in_the_middle(tmp_path, small_disk):
    lines(tmp_path / "l.txt", *[f"{i}" for i in range(400)])
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (3_300 * 1024))
    words = [f"outputs_dir={small_disk}/outputs", "limits.worker_ram_mb=0", *step("last", suffix="y" * 20_000)]
    words = [w.replace("+pipeline.stages.last.settings.suffix", "pipeline.stages.last.settings.suffix") for w in words]
    full = drill(tmp_path, "drill", "l.txt", *words)
    assert full.code == 3, (full.code, full.out, full.err)
    assert "the disk is full; make room and run the same command again" in full.out + full.err
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = drill(tmp_path, "drill", "l.txt", *words)
    assert again.code == 0, again.err

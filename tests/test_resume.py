"""kill -9 of anything at any moment: the next run finishes the rest, no half file bears a final name."""

import contextlib
import json
import os
import random
import signal
import time

import psutil
import pytest
from cli import DRILLS, QUIET, drill, lines, start, step


def job_of(process, wait_s=10.0):
    """The job child of a running command."""
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # helpers come and go
                if "runner.execute.job" in child.cmdline():
                    return child
        time.sleep(0.01)
    raise AssertionError("no job was started")


def wait_for_done(cwd, count, wait_s=20.0):
    """Wait until the newest run has finished some tasks."""
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        journal = cwd / "outputs" / "latest" / "journal.jsonl"
        if journal.exists() and journal.read_text().count('"status":"done"') >= count:
            return
        time.sleep(0.01)
    raise AssertionError("the run does not get on")


def everything_of(process):
    return [process.pid, *(c.pid for c in psutil.Process(process.pid).children(recursive=True))]


def wait_for_end(pids, wait_s=10.0):
    until = time.monotonic() + wait_s
    while any(psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE for p in pids):
        assert time.monotonic() < until, "somebody outlives the run"
        time.sleep(0.02)


@pytest.fixture
def long_list(tmp_path):
    lines(tmp_path / "l.txt", *[f"text {i}" for i in range(60)])
    return tmp_path


WORDS = [*DRILLS, *QUIET, "pipeline=drill", "l.txt", *step("first", busy_s=0.04)]


@pytest.mark.untraced
@pytest.mark.parametrize("who", ["child", "parent", "worker"])
def test_killed_and_continued(long_list, who):
    process = start(long_list, *WORDS)
    job = job_of(process)
    wait_for_done(long_list, 10)
    pids = everything_of(process)
    victim = {"child": job.pid, "parent": process.pid}.get(who) or job.children()[0].pid
    os.kill(victim, signal.SIGKILL)
    process.wait(30)
    if who == "worker":
        assert process.returncode == 0  # costs one attempt, not the run
    wait_for_end(pids)
    killed = json.loads((long_list / "outputs" / "latest" / "run.json").read_text())
    assert killed["status"] == {"child": "killed", "parent": "running", "worker": "ok"}[who]
    before = (long_list / "outputs" / "latest").resolve()
    done = drill(long_list, "drill", "l.txt", *step("first", busy_s=0.04))
    assert done.code == 0 and len(done.run["outputs"]) == 60
    assert len(done.tasks("cached")) >= 10
    for number in range(60):
        assert (done.folder / "result" / "l" / f"{number + 1:06}.txt").read_text() == f"text {number}12"
    if who == "parent":  # whoever comes next writes the last word
        assert json.loads((before / "run.json").read_text())["status"] == "killed"
        assert not (before / ".scratch").exists()


@pytest.mark.untraced
@pytest.mark.parametrize("who", ["child", "parent"])
def test_programs_of_a_killed_run_do_not_live_on(tmp_path, who):
    """A program in a session of its own, as FFmpeg is run: its worker is killed with the job, it must end too."""
    lines(tmp_path / "l.txt", "a", "b")
    process = start(tmp_path, *DRILLS, *QUIET, "pipeline=drill", "l.txt", *step("first", spawn_on="a"))
    job = job_of(process)
    until = time.monotonic() + 10
    programs = []
    while not programs and time.monotonic() < until:
        programs = [c for c in job.children(recursive=True) if "time.sleep(600)" in " ".join(c.cmdline())]
        time.sleep(0.02)
    os.kill(job.pid if who == "child" else process.pid, signal.SIGKILL)
    process.wait(30)
    wait_for_end([programs[0].pid])


def test_a_run_that_was_killed_whole_is_tidied_by_the_next(tmp_path):
    """Parent and job gone at once: nobody is left to clean up, so the next start does."""
    lines(tmp_path / "l.txt", "a", "b")
    words = [*DRILLS, *QUIET, "pipeline=drill", "l.txt", f"temp_dir={tmp_path / 'temp'}", *step("first", spawn_on="a")]
    process = start(tmp_path, *words)
    job = job_of(process)
    until = time.monotonic() + 10
    while not list((tmp_path / "temp").glob("*/*")) and time.monotonic() < until:
        time.sleep(0.02)
    pids = everything_of(process)
    for victim in (process.pid, job.pid):
        os.kill(victim, signal.SIGKILL)
    process.wait(10)
    dead = (tmp_path / "outputs" / "latest").resolve()
    lines(tmp_path / "m.txt", "c")
    assert drill(tmp_path, "drill", "m.txt").code == 0
    wait_for_end(pids)
    assert json.loads((dead / "run.json").read_text())["status"] == "killed"
    assert not (dead / ".ballast").exists() and not list((tmp_path / "temp").glob("*"))


def test_ctrl_c_ends_cleanly(long_list):
    process = start(long_list, *WORDS)
    job_of(process)
    wait_for_done(long_list, 5)
    pids = everything_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    wait_for_end(pids)
    run = json.loads((long_list / "outputs" / "latest" / "run.json").read_text())
    assert (run["status"], run["exit_code"]) == ("killed", 130)
    assert run["counts"]["ok"] >= 1 and not list((long_list / "outputs").rglob(".part-*"))


@pytest.mark.untraced
@pytest.mark.proof
def test_ten_kills_at_random_moments(long_list):
    chance = random.Random(7)
    for round_ in range(10):
        process = start(long_list, *WORDS)
        job = job_of(process)
        time.sleep(chance.uniform(0.0, 0.5))
        pids = everything_of(process)
        os.kill(job.pid if round_ % 2 else process.pid, signal.SIGKILL)
        process.wait(30)
        wait_for_end(pids)
    done = drill(long_list, "drill", "l.txt", *step("first", busy_s=0.04))
    assert done.code == 0 and len(done.run["outputs"]) == 60
    for run in (long_list / "outputs" / "drill").rglob("run.json"):
        assert json.loads(run.read_text())["status"] in ("ok", "killed")

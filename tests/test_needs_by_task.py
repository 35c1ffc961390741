"""Tasks of one stage that differ in size: each takes what its own data say, and its program is held to that."""

import json
import os
import sys
from dataclasses import replace

import pytest
from cli import drill, lines, step

from runner.execute.lanes import program_limit, says_by_task, worker_limits
from runner.plan.plan import Policy
from stages.contract import Needs
from stages.registry import known_types, stage_class

MACHINE = [
    "hardware.detect=false",
    "hardware.cpu_threads=4",
    "hardware.cores_physical=4",
    "hardware.ram_mb=1000",
    "adapt.enabled=false",
]
UNPLANNED = "limits.worker_ram_mb=0"  # no memory is set aside for workers: what tasks say is all that counts
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone limits a running program")


def work(folder, *words, **machine):
    """A run of the drill on a machine with 4 threads and 1000 MB, whatever this one has."""
    return drill(folder, "program", "l.txt", *MACHINE, *words)


def times(done):
    """item → when its task ran."""
    return {e["item"][-1]: (e["t0"], e["t1"]) for e in done.events("task") if e["status"] == "done"}


def most(done, weights):
    """The largest sum of weights of tasks that ran at one time."""
    spans = times(done)
    assert set(spans) == set(weights)
    return max(sum(weights[k] for k, (t0, t1) in spans.items() if t0 <= at < t1) for at, _ in spans.values())


def notes(done):
    return [e["text"] for e in done.events("note") if "runs alone" in e["text"]]


def limits_of(done):
    return [json.loads(path.read_text()) for path in sorted((done.folder / "result" / "l").iterdir())]


# --- what is held ----------------------------------------------------------------------------------


def test_threads_are_those_of_the_task(tmp_path):
    small, big = "sleep=0.5 threads=1", "sleep=0.5 threads=3"
    lines(tmp_path / "l.txt", f"{small} a", f"{small} b", f"{small} c", f"{big} d", f"{small} e", f"{big} f")
    done = work(tmp_path, UNPLANNED)
    assert done.code == 0, done.err
    weights = {"1": 1, "2": 1, "3": 1, "4": 3, "5": 1, "6": 3}
    assert most(done, weights) <= 4
    spans = times(done)
    assert max(spans[k][0] for k in "123") < min(spans[k][1] for k in "123"), "small ones run together"
    assert spans["4"][1] <= spans["6"][0] or spans["6"][1] <= spans["4"][0], "two large ones do not"
    assert not notes(done)


@pytest.mark.untraced
def test_memory_beyond_the_worker_s_is_held_by_the_task(tmp_path):
    lines(tmp_path / "l.txt", *[f"sleep=0.4 mb=450 {n}" for n in range(3)], "sleep=0.4 mb=50")
    done = work(tmp_path, UNPLANNED)
    assert done.code == 0, done.err
    weights = dict.fromkeys("123", 450) | {"4": 50}
    assert 900 <= most(done, weights) <= 1000
    assert not notes(done)


@pytest.mark.untraced
def test_sessions_are_those_of_the_task(tmp_path):
    lines(tmp_path / "l.txt", *[f"sleep=0.3 sessions={n % 2} {n}" for n in range(4)])
    gpu = ["hardware.use_gpu=true", "hardware.vram_mb=1000", "hardware.encoder_sessions=1"]
    done = work(tmp_path, UNPLANNED, *gpu)
    assert done.code == 0, done.err
    assert most(done, {"1": 0, "2": 1, "3": 0, "4": 1}) == 1


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("large", "wants"), [("mb=5000", "5000 MB of memory (of 1000)"), ("threads=9", "9 CPU threads (of 4)")]
)
def test_a_task_larger_than_the_machine_runs_alone_and_that_is_said_once(tmp_path, large, wants):
    small, big = "sleep=0.3", f"sleep=0.1 {large}"
    lines(tmp_path / "l.txt", f"{small} a", f"{big} b", f"{small} c", f"{big} d", f"{small} e")
    done = work(tmp_path, UNPLANNED)
    assert done.code == 0, done.err
    assert most(done, {"1": 1, "2": 10, "3": 1, "4": 10, "5": 1}) == 10
    [note] = notes(done)
    assert wants in note and note.startswith("l/000002 (work)")
    assert note in done.run["notes"]


def test_a_large_task_gets_the_memory_of_idle_workers(tmp_path):
    """Idle workers of other stages hold memory too: they are let go, and the task does not wait for ever."""
    lines(tmp_path / "l.txt", "mb=980 a", "mb=980 b")
    first = "+pipeline.stages.first={type: drill.step, from: input, settings: {ram_mb: 300, suffix: ' x'}}"
    done = work(tmp_path, UNPLANNED, first, "+workers.first=auto", "pipeline.stages.work.from=first")
    assert done.code == 0, done.err
    assert len(done.tasks("done", "work")) == 2 and not notes(done)


@pytest.mark.untraced
def test_a_worker_count_that_the_user_set_is_honoured(tmp_path):
    lines(tmp_path / "l.txt", *[f"sleep=0.8 threads=4 {n}" for n in range(3)])
    done = work(tmp_path, UNPLANNED, "workers.work=3")
    assert done.code == 0, done.err
    assert most(done, dict.fromkeys("123", 1)) == 3 and not notes(done)


@pytest.mark.untraced
def test_a_count_that_was_set_still_holds_after_a_step_down(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{n}" for n in range(6)])
    words = ["workers.first=4", *step("first", oom_above=4, cpu_threads=4, sleep_s=0.5)]
    done = drill(tmp_path, "drill", "l.txt", *MACHINE, UNPLANNED, *words)
    assert done.code == 0 and len(done.events("degrade")) == 1
    spans = [(e["t0"], e["t1"]) for e in done.events("task") if e["stage"] == "first"]
    assert max(sum(t0 <= at < t1 for t0, t1 in spans) for at, _ in spans) == 4


def test_who_cannot_say_what_it_needs_fails_alone(tmp_path):
    lines(tmp_path / "l.txt", "threads=1 a", "threads=many", "threads=1 b")
    done = work(tmp_path)
    assert done.code == 3 and len(done.tasks("done")) == 2
    [letter] = done.failures()
    assert (letter["item"], letter["failure"]) == ("l/000002", "bug") and "many" in letter["sentence"]


# --- what programs are held to -----------------------------------------------------------------------


@linux
def test_a_program_over_its_memory_fails_alone_and_not_the_machine(tmp_path):
    lines(tmp_path / "l.txt", "mb=50 take=50", "mb=50 take=700", "mb=300 take=250")
    done = work(tmp_path, "limits.worker_ram_mb=200", "on_oom=fail", "retry.crashed=0")
    assert done.code == 3 and len(done.tasks("done")) == 2
    [letter] = done.failures()
    assert (letter["item"], letter["failure"]) == ("l/000002", "host_oom")
    assert "held to RLIMIT_DATA 200 MB" in letter["sentence"]
    held = [said["limit"] for said in limits_of(done)]
    assert held == ["RLIMIT_DATA 200 MB", "RLIMIT_DATA 750 MB"], "by the policy, by its need where that is larger"


@linux
def test_a_step_down_changes_what_waiting_tasks_take(tmp_path):
    lines(tmp_path / "l.txt", *[f"threads=4 mb=300 take=800 {n}" for n in range(3)])
    done = work(tmp_path, "limits.worker_ram_mb=450")
    assert done.code == 0, done.err
    assert [e["changes"] for e in done.events("degrade")] == [{"shrink": 2}]
    assert [said["limit"] for said in limits_of(done)] == ["RLIMIT_DATA 450 MB"] * 3, "not those of before"


@pytest.mark.untraced
@linux
def test_workers_of_such_stages_are_not_pinned_and_no_limit_is_none(tmp_path):
    lines(tmp_path / "l.txt", "mb=100 take=400")
    done = work(tmp_path, "limits.worker_cpus=1", UNPLANNED)
    assert done.code == 0, done.err
    assert limits_of(done) == [{"limit": "no memory limit asked", "cpus": len(os.sched_getaffinity(0))}]


def test_a_worker_gets_the_cpus_that_its_stage_keeps_busy():
    step_class, policy = stage_class("drill.step"), Policy("", "", "", worker_ram_mb=2048, worker_cpus=2)
    assert worker_limits(step_class, Needs(cpu_threads=1), 1, policy) == (2048, 2)
    assert worker_limits(step_class, Needs(cpu_threads=7.5, ram_mb=4000), 1, policy) == (4000, 8)
    assert worker_limits(step_class, Needs(), 16, policy) == (2048, 0), "who waits for a network is not pinned"
    free = replace(policy, worker_cpus=0, worker_ram_mb=0)
    assert worker_limits(step_class, Needs(cpu_threads=4, ram_mb=4000), 1, free) == (0, 0)
    assert worker_limits(stage_class("drill.program"), Needs(cpu_threads=4), 1, policy) == (0, 0)
    assert [program_limit(Needs(ram_mb=mb), policy) for mb in (100, 5000)] == [2048, 12500]
    assert program_limit(Needs(ram_mb=5000), free) == 0


def test_who_says_it_by_task_is_known():
    kinds = {name for name in known_types() if name.startswith("drill.") and name != "drill.make"}
    assert {name for name in kinds if says_by_task(stage_class(name))} == {"drill.program"}


# --- what is measured --------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_what_programs_took_and_how_fast_frames_were_made(tmp_path):
    lines(tmp_path / "l.txt", "busy=0.6 take=150 mb=300 frames=100", "take=1 mb=300 frames=100")
    done = work(tmp_path, "workers.work=1")
    busy, idle = (next(e for e in done.events("task") if e["item"].endswith(n)) for n in "12")
    assert 0.6 <= busy["cpu_s"] < 1.5 and idle["cpu_s"] < 0.4
    assert 150 < busy["rss_mb"] < 250
    metrics = done.run["metrics"]
    assert metrics["stage.work.cpu_s"] == pytest.approx(busy["cpu_s"] + idle["cpu_s"], abs=1e-3)
    assert metrics["stage.work.rss_peak_mb"] > 150
    assert metrics["throughput.fps"] == pytest.approx(200 / (idle["t1"] - busy["t0"]), rel=1e-3)
    again = work(tmp_path)
    assert not again.tasks("done") and "throughput.fps" not in again.run["metrics"]
    assert again.run["metrics"]["video.frames"] == 200

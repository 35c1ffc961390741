"""MLflow is told everything, by a process of its own, whatever happens to the others. Real stores, real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_runs import make_run, sample, static_fields, write_lines
from filelock import FileLock

from runner.record.report import write_report
from runner.record.rundir import RunDir, new_run_dir, read_json, write_json
from runner.record.summary import finish_run
from runner.record.tracking import Tracker, default_uri, reconcile

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def ready_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder whose store has its tables, so that only one test pays for the migration."""
    outputs = tmp_path_factory.mktemp("outputs")
    client(outputs).search_experiments()
    return outputs


@pytest.fixture(scope="module")
def tracker(ready_store: Path) -> Iterator[Tracker]:
    """One tracking process for all tests that do not harm it, started where another MLflow run is open."""
    foreign = client(ready_store).create_run("0").info.run_id
    os.environ["MLFLOW_RUN_ID"] = foreign
    shared = Tracker(default_uri(ready_store))
    shared.warm()
    yield shared
    shared.close()
    del os.environ["MLFLOW_RUN_ID"]
    untouched = client(ready_store).get_run(foreign)
    assert not untouched.data.params
    assert untouched.info.status == "RUNNING"


def client(outputs: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(default_uri(outputs))


def told(outputs: Path, run: RunDir) -> Any:
    return client(outputs).get_run(read_json(run.tracking)["run_id"])


def wait_for(what: Any, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.1)
    assert found
    return found


def track(tracker: Tracker, run: RunDir, **words: Any) -> str | None:
    tracker.open_run(run)
    finish_run(run, **words)
    write_report(run)
    return tracker.finish(run, 60)


def test_a_run_is_told_whole(ready_store: Path, tracker: Tracker) -> None:
    run = make_run(ready_store, items=6)
    assert track(tracker, run) is None
    summary, mlflow = read_json(run.run_json), told(ready_store, run)
    params, tags, metrics = mlflow.data.params, mlflow.data.tags, mlflow.data.metrics
    assert mlflow.info.status == "FINISHED"
    assert mlflow.info.run_name.startswith("narrate fast workers.encode=4")
    assert summary["mlflow_run_id"] == mlflow.info.run_id
    assert summary["tracking_uri"] == default_uri(ready_store)
    assert (params["profile"], params["workers.encode"], params["tts.api_key"]) == ("fast", "4", "***")
    assert tags["hardware.gpus.0.vram_mb"] == "12288"
    assert tags["version.ffmpeg"] == "9.0.2"
    assert tags["effective.workers.encode"] == "2"
    assert tags["status"] == "ok"
    assert "effective.profile" not in tags
    for name, value in summary["metrics"].items():
        assert metrics[name] == pytest.approx(value), name
    history = client(ready_store).get_metric_history(mlflow.info.run_id, "queue.encode")
    assert [(m.step, m.value, m.timestamp) for m in history] == [
        (t, float(t % 4), sample(t)["epoch_ms"]) for t in range(int(summary["wall_s"]) + 1)
    ]
    files = {file.path for file in client(ready_store).list_artifacts(mlflow.info.run_id)}
    assert files == {"config.yaml", "report.html", "plan.json", "run.json"}


def test_no_secret_reaches_the_store(ready_store: Path, tracker: Tracker) -> None:
    run = make_run(ready_store, items=1, overrides=["tts.api_key=sk-very-secret"])
    track(tracker, run)
    assert b"sk-very-secret" in run.config_yaml.read_bytes()
    files = [ready_store / "mlflow.db", *(p for p in (ready_store / "mlartifacts").rglob("*") if p.is_file())]
    assert len(files) > 3
    assert not [file for file in files if b"sk-very-secret" in file.read_bytes()]


def test_partial_is_finished_with_a_tag_and_failed_is_failed(ready_store: Path, tracker: Tracker) -> None:
    partial, failed = (
        make_run(ready_store, failed=1, end="partial"),
        make_run(ready_store, items=2, failed=2, end="failed"),
    )
    track(tracker, partial)
    track(tracker, failed)
    assert told(ready_store, partial).info.status == "FINISHED"
    assert told(ready_store, partial).data.tags["status"] == "partial"
    assert told(ready_store, failed).info.status == "FAILED"
    files = {file.path for file in client(ready_store).list_artifacts(told(ready_store, failed).info.run_id)}
    assert "failures.jsonl" in files


def test_samples_arrive_while_the_run_goes_on(ready_store: Path, tracker: Tracker) -> None:
    run = make_run(ready_store, end=None)
    tracker.open_run(run)
    run_id = tracker.run_id(run, 60)
    with run.samples.open("a", encoding="utf-8") as file:
        file.write('{"t": 7, "epoch_ms": 1790000007000, "m": {"queue.encode": 3.0}}\n{"t": 8, "epoch_ms": 17')
    wait_for(lambda: read_json(run.tracking)["samples_sent"] > run.samples.stat().st_size - 60)
    steps = [m.step for m in client(ready_store).get_metric_history(run_id, "queue.encode")]
    assert max(steps) == 7
    assert told(ready_store, run).info.status == "RUNNING"
    finish_run(run, status="killed", reason="Ctrl-C")
    assert tracker.finish(run) is None
    assert told(ready_store, run).info.status == "KILLED"


def test_pushing_again_sends_nothing_twice(ready_store: Path, tracker: Tracker) -> None:
    run = make_run(ready_store)
    track(tracker, run)
    run_id = read_json(run.tracking)["run_id"]
    state = read_json(run.tracking)
    write_json(
        run.tracking, {**state, "run_id": None, "creating": True, "described": False, "samples_sent": 0, "closed": None}
    )
    assert tracker.push(run.root) is None
    assert read_json(run.tracking)["run_id"] == run_id
    steps = [m.step for m in client(ready_store).get_metric_history(run_id, "queue.encode")]
    assert steps == sorted(set(steps))


OWNER = """
import sys, time
from pathlib import Path
from filelock import FileLock
from runner.record.rundir import RunDir
from runner.record.tracking import Tracker
run = RunDir(Path(sys.argv[1]))
with FileLock(run.lock):
    tracker = Tracker(sys.argv[2])
    tracker.open_run(run)
    print(tracker.run_id(run, 60), flush=True)
    time.sleep(60)
"""


def owner_of(outputs: Path, run: RunDir) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OWNER, str(run.root), default_uri(outputs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() not in ("", "None")
    return process


def test_kill_9_of_the_owner_leaves_nothing_running(ready_store: Path) -> None:
    run = make_run(ready_store, end=None)
    process = owner_of(ready_store, run)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: read_json(run.tracking)["closed"])
    assert read_json(run.run_json)["status"] == "killed"
    assert read_json(run.run_json)["exit_code"] == 130
    assert told(ready_store, run).info.status == "KILLED"


def test_the_next_start_finishes_what_was_killed_with_its_tracker(ready_store: Path, tracker: Tracker) -> None:
    run = make_run(ready_store, end=None)
    process = owner_of(ready_store, run)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in [*children, process.pid]:
        os.kill(int(pid), signal.SIGKILL)
    process.wait()
    assert told(ready_store, run).info.status == "RUNNING"
    assert reconcile(ready_store, tracker) == [run.root]
    assert reconcile(ready_store, tracker) == []
    wait_for(lambda: read_json(run.tracking)["closed"])
    assert told(ready_store, run).info.status == "KILLED"


def test_a_living_run_is_left_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path, end=None)
    with FileLock(run.lock):
        assert reconcile(tmp_path) == []
    assert reconcile(tmp_path) == [run.root]


def test_a_run_whose_owner_has_not_locked_it_yet_is_left_alone(tmp_path: Path) -> None:
    alive = {"host": socket.gethostname(), "pid": os.getpid(), "epoch": time.time()}
    run = make_run(tmp_path, end=None, **alive)
    assert reconcile(tmp_path) == []
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    gone = make_run(tmp_path, end=None, **{**alive, "pid": child.pid})
    reused = make_run(tmp_path, end=None, **{**alive, "epoch": 1_000_000_000.0})
    assert set(reconcile(tmp_path)) == {gone.root, reused.root}
    assert read_json(run.run_json)["status"] == "running"


def test_a_tracker_that_dies_is_told_in_one_sentence(ready_store: Path) -> None:
    run = make_run(ready_store)
    tracker = Tracker(default_uri(ready_store))
    tracker.open_run(run)
    tracker.run_id(run, 60)
    finish_run(run)
    assert tracker._process is not None
    tracker._process.kill()
    began = time.monotonic()
    sentence = tracker.finish(run)
    assert time.monotonic() - began < 10
    assert sentence is not None
    assert "exit -9" in sentence
    assert "sync" in sentence
    assert read_json(run.run_json)["status"] == "ok"


def test_off_starts_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    tracker = Tracker(None)
    tracker.open_run(run)
    finish_run(run)
    assert tracker.run_id(run, 1) is None
    assert tracker.finish(run) is None
    tracker.close()
    assert not run.tracking.exists()
    assert read_json(run.run_json)["mlflow_run_id"] is None


def test_six_at_once_on_a_fresh_store(tmp_path: Path) -> None:
    """Names with spaces and signs, too: the store lies in the user's folder."""
    outputs = tmp_path / "my out,puts %20 #1 é"
    runs = [make_run(outputs, items=1) for _ in range(6)]
    trackers = [Tracker(default_uri(outputs)) for _ in runs]
    for run, tracker in zip(runs, trackers, strict=True):
        tracker.open_run(run)
        finish_run(run)
    sentences = [tracker.finish(run, 120) for run, tracker in zip(runs, trackers, strict=True)]
    for tracker in trackers:
        tracker.close()
    assert sentences == [None] * 6
    ids = {read_json(run.tracking)["run_id"] for run in runs}
    assert len(ids) == 6
    experiment = client(outputs).get_experiment_by_name("reeltune/narrate")
    assert {run.info.run_id for run in client(outputs).search_runs([experiment.experiment_id])} == ids
    assert list((outputs / "mlartifacts").rglob("run.json"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_dead_server_costs_a_sentence_and_no_time(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    tracker = Tracker(f"http://anna:s3cr3t@127.0.0.1:{free_port()}")
    began = time.monotonic()
    tracker.open_run(run)
    finish_run(run)
    sentence = tracker.finish(run)
    tracker.close()
    assert time.monotonic() - began < 20
    assert sentence is not None
    assert "does not answer" in sentence
    assert "\n" not in sentence
    assert "does not answer" in read_json(run.tracking)["error"]
    assert "s3cr3t" not in run.tracking.read_text(encoding="utf-8")


def test_a_server_that_never_answers_costs_seconds(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        run = make_run(tmp_path)
        tracker = Tracker(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        tracker.open_run(run)
        assert tracker.run_id(run, 20) is None
        finish_run(run)
        began = time.monotonic()
        sentence = tracker.finish(run)
        assert time.monotonic() - began < 7
        assert sentence is not None
        tracker.close(1)


@pytest.fixture
def sweep(ready_store: Path) -> Iterator[Path]:
    folder = ready_store / "sweeps" / "2026-11-20" / f"10-00-00-{os.urandom(3).hex()}"
    folder.mkdir(parents=True)
    started = static_fields(RunDir(folder), "narrate")["started_at"]
    fields = {"id": folder.name, "pipeline": "narrate", "overrides": ["workers.encode=1,4", "profile=fast"]}
    write_json(folder / "sweep.json", {**fields, "started_at": started, "status": "running"})
    yield folder


def test_jobs_of_a_sweep_hang_under_one_parent(ready_store: Path, tracker: Tracker, sweep: Path) -> None:
    other_process = Tracker(default_uri(ready_store))
    tracker.open_sweep(sweep)
    runs = [
        make_run(ready_store, items=n + 2, sweep=sweep.name, job=n, overrides=[f"workers.encode={n}"]) for n in range(2)
    ]
    write_lines(
        sweep / "jobs.jsonl",
        ({"job": n, "run_dir": str(r.root), "overrides": [f"workers.encode={n}"]} for n, r in enumerate(runs)),
    )
    for run, owner in zip(runs, (tracker, other_process), strict=True):
        owner.open_run(run)
        finish_run(run)
        assert owner.finish(run, 60) is None
    (sweep / "compare.png").write_bytes(b"\x89PNG")
    write_json(sweep / "sweep.json", {**read_json(sweep / "sweep.json"), "status": "ok"})
    assert tracker.close_sweep(sweep) is None
    other_process.close()
    parent = client(ready_store).get_run(read_json(sweep / "sweep.json")["mlflow_run_id"])
    assert parent.info.status == "FINISHED"
    assert "workers.encode=1,4" in parent.info.run_name
    assert parent.data.metrics["jobs"] == 2
    assert parent.data.tags["best.job"] in ("0", "1")
    assert parent.data.tags["best.by"] == "throughput.items_per_s"
    assert parent.data.tags["best_quality.by"] == "quality.pesq"
    assert "| # | workers.encode | status |" in parent.data.tags["mlflow.note.content"]
    assert "fastest" in parent.data.tags["mlflow.note.content"]
    assert {told(ready_store, run).data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
    assert [told(ready_store, run).info.run_name.split()[-1] for run in runs] == ["#0", "#1"]
    assert {f.path for f in client(ready_store).list_artifacts(parent.info.run_id)} >= {"compare.png", "sweep.json"}


def test_a_killed_sweep_is_closed_at_the_next_start(ready_store: Path, tracker: Tracker, sweep: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from runner.record.tracking import Tracker;"
        "t = Tracker(sys.argv[2]); t.open_sweep(Path(sys.argv[1]), 60); t._process.kill(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(sweep), default_uri(ready_store)], check=False)
    assert sweep in reconcile(ready_store, tracker)
    wait_for(lambda: read_json(sweep / "tracking.json")["closed"])
    assert client(ready_store).get_run(read_json(sweep / "sweep.json")["mlflow_run_id"]).info.status == "KILLED"


def test_a_run_made_before_its_folder_had_a_history(ready_store: Path, tracker: Tracker) -> None:
    run = new_run_dir(ready_store, "narrate")
    write_json(run.run_json, static_fields(run, "narrate"))
    assert track(tracker, run, status="failed", reason="the child ended") is None
    assert told(ready_store, run).data.tags["reason"] == "the child ended"

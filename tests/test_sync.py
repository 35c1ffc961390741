"""What a lost server missed arrives later, whole; and one sentence when it is still away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fake_runs import make_run
from rich.console import Console

from runner.commands.sync import sync
from runner.record.report import write_report
from runner.record.rundir import RunDir, read_json
from runner.record.summary import finish_run
from runner.record.tracking import Tracker, default_uri


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(port: int, folder: Path) -> Iterator[None]:
    """A real MLflow server on this machine, ended with all its processes."""
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    log = (folder / "server.log").open("w")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **quiet})
    try:
        end = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def told_by_sync(*words: str) -> tuple[int, str]:
    out = StringIO()
    return sync(list(words), Console(file=out, width=400)), out.getvalue()


def run_once(outputs: Path, uri: str | None, **words: Any) -> tuple[RunDir, str | None]:
    run = make_run(outputs, **words)
    tracker = Tracker(uri)
    tracker.open_run(run)
    finish_run(run)
    write_report(run)
    sentence = tracker.finish(run, 60)
    tracker.close()
    return run, sentence


def test_a_dead_server_gets_the_run_later(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    outputs = tmp_path / "outputs"
    run, sentence = run_once(outputs, url)
    assert sentence is not None
    code, said = told_by_sync(f"outputs_dir={outputs}")
    assert code == 1
    assert "does not answer" in said
    assert said.count("\n") == 1
    with mlflow_server(port, tmp_path):
        code, said = told_by_sync(f"outputs_dir={outputs}")
        assert (code, said.count("sent ")) == (0, 1)
        assert told_by_sync(f"outputs_dir={outputs}")[1].startswith("MLflow knows all runs")
        assert_complete(url, run)


def assert_complete(url: str, run: RunDir) -> None:
    from mlflow import MlflowClient

    client, summary = MlflowClient(url), read_json(run.run_json)
    found = client.get_run(summary["mlflow_run_id"])
    assert found.info.status == "FINISHED"
    assert found.info.end_time - found.info.start_time == round(1000 * summary["wall_s"])
    assert found.data.metrics.keys() >= summary["metrics"].keys()
    assert len(client.get_metric_history(found.info.run_id, "queue.encode")) == int(summary["wall_s"]) + 1
    assert {file.path for file in client.list_artifacts(found.info.run_id)} >= {"report.html", "run.json"}
    assert summary["tracking_uri"] == url


def test_killed_runs_are_finished_and_all_go_to_another_store(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    whole, _ = run_once(tmp_path, dead)
    killed = make_run(tmp_path, end=None)
    tracker = Tracker(dead)
    tracker.open_run(killed)
    tracker._process.kill()  # type: ignore[union-attr]
    tracker.close()
    untracked, _ = run_once(tmp_path, None)
    code, said = told_by_sync(f"outputs_dir={tmp_path}", f"tracking.uri={default_uri(tmp_path)}")
    assert code == 0, said
    assert said.count("sent ") == 2
    assert "killed" in said
    assert read_json(whole.tracking)["closed"] == "ok"
    assert read_json(killed.tracking)["closed"] == "killed"
    assert not untracked.tracking.exists()


@pytest.mark.parametrize("word", ["output_dir=x", "--all", "tracking=off"])
def test_a_word_it_does_not_know(word: str) -> None:
    code, said = told_by_sync(word)
    assert code == 2
    assert "outputs_dir=" in said


def test_an_outputs_folder_without_runs(tmp_path: Path) -> None:
    assert told_by_sync(f"outputs_dir={tmp_path / 'none'}")[0] == 0
    assert not (tmp_path / "none").exists()

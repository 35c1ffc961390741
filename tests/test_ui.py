"""The UI serves the right store on this machine alone and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from fake_runs import make_run
from rich.console import Console

from runner.commands.ui import ui
from runner.record.report import write_report
from runner.record.rundir import read_json
from runner.record.summary import finish_run
from runner.record.tracking import Tracker, default_uri

CODE = """
import sys
from rich.console import Console
from runner.commands.ui import ui
sys.exit(ui(sys.argv[1:], Console()))
"""


def said_by_ui(*words: str) -> tuple[int, str]:
    out = StringIO()
    return ui(list(words), Console(file=out, width=400)), out.getvalue()


def get(url: str, body: dict[str, object] | None = None) -> bytes:
    data = json.dumps(body).encode() if body is not None else None
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=20) as answer:
        return bytes(answer.read())


def group_of(pid: int) -> list[int]:
    """Processes of the group that the UI started, by their session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_it_shows_the_runs_and_their_reports_and_ends_cleanly(tmp_path: Path) -> None:
    outputs = tmp_path / "my outputs"
    run, killed = make_run(outputs), make_run(outputs, end=None)
    tracker = Tracker(default_uri(outputs))
    for each in (run, killed):
        tracker.open_run(each)
        assert tracker.run_id(each, 60)
    finish_run(run)
    write_report(run)
    assert tracker.finish(run, 60) is None
    tracker._process.kill()  # type: ignore[union-attr]
    tracker.close()
    command = [sys.executable, "-c", CODE, f"outputs_dir={outputs}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[2]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        try:
            assert url.startswith("http://127.0.0.1:5")
            found = json.loads(get(f"{url}/api/2.0/mlflow/experiments/search", {"max_results": 10}))["experiments"]
            ids = [e["experiment_id"] for e in found if e["name"] == "reeltune/narrate"]
            runs = json.loads(get(f"{url}/api/2.0/mlflow/runs/search", {"experiment_ids": ids}))["runs"]
            assert sorted(each["info"]["status"] for each in runs) == ["FINISHED", "KILLED"]
            run_id = read_json(run.run_json)["mlflow_run_id"]
            page = get(f"{url}/get-artifact?path=report.html&run_uuid={run_id}")
            assert page == run.report.read_bytes()
            sessions = [pid for child in children for pid in group_of(int(child))]
            assert len(sessions) >= 2
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    time.sleep(0.2)
    assert [pid for child in children for pid in group_of(int(child))] == []


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An outputs folder that holds a store; enough for what is refused before it is opened."""
    (tmp_path / "mlflow.db").write_bytes(b"")
    return tmp_path


def test_a_taken_port_is_refused(store: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = said_by_ui(f"outputs_dir={store}", f"port={taken.getsockname()[1]}")
    assert code == 2
    assert "is taken" in said


@pytest.mark.parametrize("port", ["0", "70000", "http", ""])
def test_no_port(store: Path, port: str) -> None:
    code, said = said_by_ui(f"outputs_dir={store}", f"port={port}")
    assert (code, "is no port" in said) == (2, True)


def test_a_server_is_only_named() -> None:
    code, said = said_by_ui("tracking.uri=http://tracking.example:5000")
    assert (code, "http://tracking.example:5000" in said) == (0, True)


def test_a_word_it_does_not_know() -> None:
    code, said = said_by_ui("prot=5001")
    assert code == 2
    assert "did you mean port?" in said


def test_nothing_tracked_yet_is_one_sentence(tmp_path: Path) -> None:
    code, said = said_by_ui(f"outputs_dir={tmp_path / 'none'}")
    assert code == 1
    assert "run a pipeline first" in said
    assert not (tmp_path / "none").exists()


def test_a_store_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, whatever its name may say " * 50)
    code, said = said_by_ui(f"outputs_dir={tmp_path}")
    assert code == 1
    assert said.startswith("the MLflow UI did not start: ")
    assert said.count("\n") == 1

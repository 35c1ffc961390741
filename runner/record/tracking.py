"""The runner's side of tracking: starts the tracking process and talks to it. Imports no MLflow.

The run's folder is the truth; whatever goes wrong here costs a sentence, never the run.
"""

from __future__ import annotations

import getpass
import itertools
import json
import os
import platform
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock

from runner.record.describe import experiment_name, git_commit
from runner.record.masking import without_credentials
from runner.record.reconcile import owner_lives as owner_lives
from runner.record.reconcile import reconcile as reconcile
from runner.record.reconcile import untold as untold
from runner.record.rundir import RunDir, read_json, write_json
from stages.platform.processes import own_group, python_child

_HOME = Path(__file__).resolve().parents[2]
_AWAY_LIMIT_S = 6.0
_NOTHING_TOLD = {"run_id": None, "parent_run_id": None, "samples_sent": 0, "closed": None, "error": ""}
LATER = "`reeltune sync` sends it later"


def default_uri(outputs: Path) -> str:
    """The tracking store when none is named: `mlflow.db` in the outputs folder; `%` and `?` mean something in a URI."""
    path = str((outputs / "mlflow.db").resolve())
    return f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"


class Tracker:
    """Tells MLflow about runs and sweeps through a process of its own, started on first use.

    Args:
        uri: the MLflow store (`sqlite:///…`, `http(s)://…`); None switches tracking off.
    """

    def __init__(self, uri: str | None) -> None:
        self._uri: str | None = None
        self._login: dict[str, str] = {}
        if uri:
            self._uri, self._login = without_credentials(uri)
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._opened: dict[Path, int] = {}
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._errors: Any = None
        self._sweep_locks: dict[Path, FileLock] = {}

    def preload(self) -> Tracker:
        """Start the process and let it load MLflow while the config is still read. Does not wait; not needed."""
        self._send("warm", "")
        return self

    def aim(self, uri: str | None) -> None:
        """Name the store, once it is known, and let the process open it. Does not wait."""
        if uri:
            self._uri, self._login = without_credentials(uri)
        if self._uri is None or self._login:  # not needed, or it has to start with the login
            self.close(0.0)
        self.warm()

    def warm(self) -> None:
        """Let the process open the store before it is needed. Does not wait."""
        if self._uri is not None:
            self._send("warm", self._uri)

    def open_run(self, run: RunDir, parent_run_id: str | None = None) -> None:
        """Begin to tell about a run whose `run.json` is written. Does not wait."""
        if self._uri is None:
            return
        pipeline = read_json(run.run_json)["pipeline"]
        self._want(run.tracking, pipeline, parent_run_id)
        self._opened[run.root] = self._send("open_run", run.root)

    def run_id(self, run: RunDir, timeout: float) -> str | None:
        """The MLflow run's id, waited for at most `timeout` seconds."""
        answer = self._wait(self._opened.get(run.root), timeout)
        return (answer or {}).get("run_id") or read_json(run.tracking).get("run_id")

    def finish(self, run: RunDir, timeout: float = 20.0) -> str | None:
        """Send the last word of a finished run (`run.json` and report are written).

        Returns:
            None, or one sentence when it could not be told within `timeout` seconds.
        """
        return self._finish("finish_run", run.root, timeout)

    def open_sweep(self, folder: Path, timeout: float = 0.0) -> str | None:
        """Begin to tell about a sweep whose `sweep.json` is written; holds its lock until `close_sweep`.

        Its jobs find the id in `sweep.json` (`mlflow_run_id`) once it is known; nobody needs to wait.
        """
        lock = self._sweep_locks[folder] = FileLock(folder / ".lock")
        lock.acquire()
        if self._uri is None:
            return None
        self._want(folder / "tracking.json", read_json(folder / "sweep.json")["pipeline"], None)
        self._opened[folder] = self._send("open_sweep", folder)
        return (self._wait(self._opened[folder], timeout) or {}).get("run_id")

    def close_sweep(self, folder: Path, timeout: float = 20.0) -> str | None:
        """Send the sweep's end (status in `sweep.json`, comparison drawn); a sentence when that failed."""
        try:
            return self._finish("close_sweep", folder, timeout)
        finally:
            if lock := self._sweep_locks.pop(folder, None):
                lock.release()

    def push(self, folder: Path, timeout: float = 120.0) -> str | None:
        """Send all that a finished run's or sweep's folder holds and MLflow was not told; a sentence on failure."""
        return self._finish(_closing(folder), folder, timeout)

    def tell(self, folder: Path) -> None:
        """Like `push`, without waiting for the answer."""
        if read_json(folder / "tracking.json"):
            self._send(_closing(folder), folder)

    def retarget(self, folder: Path) -> None:
        """Let a run or sweep that was not told whole begin anew in this tracker's store."""
        file = folder / "tracking.json"
        state = read_json(file)
        if self._uri and state["uri"] != self._uri:
            kept: dict[str, Any] = {key: state[key] for key in ("experiment", "origin") if key in state}
            write_json(file, {"uri": self._uri, **kept, **_NOTHING_TOLD})

    def close(self, timeout: float = 5.0) -> None:
        """Let the tracking process end by itself; one that still sends goes on in the background."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        try:
            process.stdin.close()
            process.wait(timeout)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            return

    def _want(self, file: Path, pipeline: str, parent_run_id: str | None) -> None:
        """Write down that this is to be tracked, so that `sync` knows even if all of us are killed now."""
        if not file.exists():
            state = {
                "uri": self._uri,
                "experiment": experiment_name(pipeline),
                **_NOTHING_TOLD,
                "parent_run_id": parent_run_id,
                "origin": _origin(),
            }
            write_json(file, state)

    def _finish(self, what: str, folder: Path, timeout: float) -> str | None:
        state = read_json(folder / "tracking.json")
        if not state or state.get("closed"):
            return None
        limit = min(timeout, _AWAY_LIMIT_S) if state.get("error") else timeout
        answer = self._wait(self._send(what, folder), limit)
        if answer is None:
            return self._silence(limit)
        return f"MLflow was not told: {answer['error']}; {LATER}" if answer["error"] else None

    def _silence(self, limit: float) -> str:
        if self._process is None or self._process.poll() is None:
            return f"MLflow was not told within {limit:.0f} s; {LATER}"
        self._errors.seek(0)
        tail = self._errors.read().strip().splitlines()[-1:] or ["no message"]
        return f"the tracking process ended (exit {self._process.returncode}: {tail[0][:200]}); {LATER}"

    def _send(self, what: str, path: Path | str) -> int:
        number = next(self._numbers)
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({"id": number, "do": what, "path": str(path)}) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: `_wait` finds no answer and `_silence` says why
        return number

    def _wait(self, number: int | None, timeout: float) -> dict[str, Any] | None:
        if number is None:
            return None
        with self._news:
            self._news.wait_for(lambda: number in self._answers or self._process is None or self._ended, timeout)
            return self._answers.get(number)

    @property
    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            command, environment = python_child("runner.record.tracker")
            self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
                env=environment | self._login,
                **own_group(),
            )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answer = json.loads(line)
            with self._news:
                self._answers[answer["id"]] = answer
                self._news.notify_all()
        process.wait()
        with self._news:
            self._news.notify_all()


def _closing(folder: Path) -> str:
    return "close_sweep" if (folder / "sweep.json").exists() else "finish_run"


def _origin() -> dict[str, str]:
    """Who runs it, and where: known only now, so it is written down before MLflow is there to be told."""
    origin = {"host": platform.node(), "pid": str(os.getpid()), "mlflow.source.name": "reeltune"}
    origin["mlflow.source.type"] = "LOCAL"
    try:
        origin["mlflow.user"] = getpass.getuser()
    except (KeyError, OSError, ImportError):
        origin["mlflow.user"] = "unknown"
    if commit := git_commit(_HOME):
        origin["mlflow.source.git.commit"] = commit
    return origin

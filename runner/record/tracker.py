"""The tracking process: `python -m runner.record.tracker`. Only this process meets MLflow.

It reads requests as JSON lines from stdin and answers each on stdout. While runs are open it sends their new
samples. When stdin ends with runs still open, whoever started us was killed: it finishes those runs as killed.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from runner.record.aftermath import finish_killed
from runner.record.rundir import RunDir, read_json, write_json
from runner.record.tracker_push import RunSyncer
from runner.record.tracker_store import Stores, quiet_environment
from runner.record.tracker_sweep import SweepSyncer
from stages.platform.limits import lower_priority

PUSH_EVERY_S = 2.0
LIVE_PATIENCE_S = 30.0  # a store that is away is not asked more often than this while the run goes on
LAST_PATIENCE_S = 5.0
ORPHAN_WAIT_S = 15.0
ORPHAN_LIMIT_S = 120.0  # nobody waits for us any more: end for sure
Syncer = RunSyncer | SweepSyncer


class Desk:
    """Answers requests and keeps the runs that are open."""

    def __init__(self) -> None:
        self._stores = Stores()
        self._open: dict[str, Syncer] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one request: `open_run`, `finish_run`, `open_sweep`, `close_sweep`, or `warm`.

        The `path` of `warm` is a store's URI, or empty to load MLflow alone.
        """
        if request["do"] == "warm":
            return {"id": request["id"], **self._warm(request["path"])}
        path = request["path"]
        syncer = self._open.get(path) or self._syncer(Path(path), sweep=request["do"].endswith("_sweep"))
        opening = request["do"].startswith("open_")
        if opening:
            self._open[path] = syncer
        else:
            self._open.pop(path, None)
        patience = LIVE_PATIENCE_S if opening else LAST_PATIENCE_S
        return {"id": request["id"], **self._push(syncer, patience)}

    def send_news(self) -> None:
        """Push what the open runs have written since."""
        for syncer in self._open.values():
            if isinstance(syncer, RunSyncer):
                self._push(syncer, LIVE_PATIENCE_S)

    @property
    def waiting(self) -> bool:
        """True while runs are open."""
        return bool(self._open)

    def finish_orphans(self) -> None:
        """Close what is open: the process that owned it is gone."""
        runs = [syncer for syncer in self._open.values() if isinstance(syncer, RunSyncer)]
        sweeps = [syncer for syncer in self._open.values() if isinstance(syncer, SweepSyncer)]
        for run in runs:
            self._when_free(run.run.lock, lambda run=run: self._finish_run(run))  # type: ignore[misc]
        for sweep in sweeps:
            self._when_free(sweep.folder / ".lock", lambda sweep=sweep: self._finish_sweep(sweep))  # type: ignore[misc]

    def _warm(self, uri: str) -> dict[str, Any]:
        try:
            if uri:
                self._stores.open(uri, patience_s=LIVE_PATIENCE_S)
            else:
                import mlflow.tracking  # noqa: F401 - only to have it loaded
        except Exception as error:  # noqa: BLE001 - as in `_push`; the first run will meet it again
            return {"run_id": None, "error": one_line(error)}
        return {"run_id": None, "error": ""}

    def _syncer(self, path: Path, *, sweep: bool) -> Syncer:
        return SweepSyncer(path, self._stores) if sweep else RunSyncer(RunDir(path), self._stores)

    def _push(self, syncer: Syncer, patience_s: float) -> dict[str, Any]:
        try:
            with FileLock(syncer.folder / ".tracking.lock"):  # another process may be syncing the same folder
                return {"run_id": syncer.push(patience_s=patience_s), "error": ""}
        except Exception as error:  # noqa: BLE001 - whatever MLflow raises: told, written down, tried again by `sync`
            return {"run_id": None, "error": self._note_error(syncer, error)}

    def _note_error(self, syncer: Syncer, error: Exception) -> str:
        sentence = one_line(error)
        file = syncer.folder / "tracking.json"
        state = read_json(file)
        if state:
            write_json(file, {**state, "error": sentence})
        if state and state["uri"].startswith("http") and type(error).__name__ != "RestException":  # it gave no answer
            self._stores.lost(state["uri"], sentence)
        return sentence

    def _when_free(self, lock: Path, action: Callable[[], None]) -> None:
        """Wait until the owner's other processes have let go; if they do not, the next start finishes the run."""
        try:
            with FileLock(lock, timeout=ORPHAN_WAIT_S):
                action()
        except Timeout:
            sys.stderr.write(f"{lock.parent}: still held; the next start of reeltune finishes it\n")

    def _finish_run(self, syncer: RunSyncer) -> None:
        if read_json(syncer.run.run_json).get("status") == "running":
            finish_killed(syncer.run)
        self._push(syncer, 0.0)

    def _finish_sweep(self, syncer: SweepSyncer) -> None:
        sweep = read_json(syncer.folder / "sweep.json")
        if sweep.get("status") == "running":
            write_json(syncer.folder / "sweep.json", {**sweep, "status": "killed"})
        self._push(syncer, 0.0)


def one_line(error: Exception) -> str:
    """An error as one short sentence."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= 300 else f"{text[:297]}..."


def _read_requests(requests: queue.Queue[str | None]) -> None:
    for line in sys.stdin:
        requests.put(line)
    requests.put(None)


def _reply(answer: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - nobody listens any more


def serve(desk: Desk, requests: queue.Queue[str | None]) -> None:
    """Answer until stdin ends; every two seconds send what the open runs have written."""
    due = time.monotonic() + PUSH_EVERY_S
    while True:
        try:
            line = requests.get(timeout=max(0.0, due - time.monotonic()) if desk.waiting else None)
        except queue.Empty:
            desk.send_news()
            due = time.monotonic() + PUSH_EVERY_S
            continue
        if line is None:
            return
        _reply(desk.answer(json.loads(line)))


def main() -> None:
    """Serve stdin until it ends, then close what was left open."""
    lower_priority(5)  # as the workers: telling MLflow goes on beside the work, not after it
    quiet_environment()
    requests: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    desk = Desk()
    serve(desk, requests)
    guard = threading.Timer(ORPHAN_LIMIT_S, os._exit, args=(1,))
    guard.daemon = True
    guard.start()
    desk.finish_orphans()


if __name__ == "__main__":
    main()

"""Runs and sweeps whose owner was killed: whoever comes next finishes them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from runner.record.aftermath import finish_killed
from runner.record.rundir import RunDir, all_run_dirs, read_json, write_json

if TYPE_CHECKING:
    from runner.record.tracking import Tracker


def reconcile(outputs: Path, tracker: Tracker | None = None) -> list[Path]:
    """Finish runs and sweeps whose owner was killed: they say running, but nobody holds their lock.

    Cheap enough for every start. A tracker given tells MLflow of them, without anybody waiting.

    Returns:
        the folders that were finished.
    """
    found = [run.root for run in all_run_dirs(outputs) if _finish_if_killed(run)]
    found += [folder for folder in sweep_dirs(outputs) if _end_if_killed(folder)]
    if tracker is not None:
        for folder in found:
            tracker.tell(folder)
    return found


def untold(outputs: Path) -> list[Path]:
    """Sweeps, then runs, that have ended and are to be tracked, but were not told whole."""
    folders = [*sweep_dirs(outputs), *(run.root for run in all_run_dirs(outputs))]
    return [folder for folder in folders if _is_untold(folder)]


def _is_untold(folder: Path) -> bool:
    state = read_json(folder / "tracking.json")
    if not state or state.get("closed"):
        return False
    said = read_json(folder / "run.json") or read_json(folder / "sweep.json")
    return said.get("status") != "running" and not owner_lives(said)


def sweep_dirs(outputs: Path) -> Iterable[Path]:
    """Every sweep and search under an outputs folder, oldest first."""
    found = [*outputs.glob("sweeps/*/*/sweep.json"), *outputs.glob("tune/*/sweep.json")]
    return sorted(path.parent for path in found)


def owner_lives(summary: Mapping[str, Any]) -> bool:
    """True while the process that started a run lives: it writes before it takes the lock, and after."""
    import psutil

    if summary.get("host") != socket.gethostname() or not summary.get("pid"):
        return False
    try:
        return bool(psutil.Process(int(summary["pid"])).create_time() <= float(summary["epoch"]) + 1)
    except psutil.NoSuchProcess:
        return False


def _finish_if_killed(run: RunDir) -> bool:
    if not _says_running(run.run_json):
        return False
    try:
        with FileLock(run.lock, timeout=0):
            summary = read_json(run.run_json)
            if summary.get("status") != "running" or owner_lives(summary):
                return False
            finish_killed(run)
            return True
    except Timeout:
        return False


def _end_if_killed(folder: Path) -> bool:
    """A sweep without a lock file is only just starting."""
    if not (folder / ".lock").exists() or not _says_running(folder / "sweep.json"):
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            sweep = read_json(folder / "sweep.json")
            write_json(folder / "sweep.json", {**sweep, "status": "killed"})
            return True
    except Timeout:
        return False


def _says_running(file: Path) -> bool:
    """Looks before it parses: a finished run's file may be long."""
    return b'"status": "running"' in file.read_bytes()

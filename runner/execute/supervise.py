"""The parent of one job: starts it, shows its progress, owns its time-out, signals and last word."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from filelock import FileLock

from runner.execute.job import EXIT, KILLED
from runner.record.progress import View
from runner.record.rundir import RunDir
from stages.platform import RUN_MARK, end_marked, end_tree, own_group, python_child

_GRACE_S = 10.0
_POLL_S = 0.05


@dataclass(slots=True)
class Ending:
    """How a job ended: its status ("" when its journal tells), and a sentence when something cut it short."""

    status: str = ""
    reason: str = ""


class Supervisor:
    """Runs one prepared run folder in a child process."""

    def __init__(self, run: RunDir, view: View, *, timeout_s: float = 0.0) -> None:
        self._run = run
        self._view = view
        self._timeout_s = timeout_s
        self._interrupts = 0
        self._began = time.monotonic()

    def run(self) -> Ending:
        """Start the job and wait for its end, whatever end it takes."""
        with FileLock(self._run.lock), self._run.log.open("ab") as log, _signals(self._interrupt):
            process = self._start(log)
            reader = threading.Thread(target=self._follow, args=(process,), daemon=True)
            reader.start()
            try:
                ending = self._wait(process)
            finally:
                end_tree(process.pid)
                process.wait()
                if process.returncode < 0 or self._interrupts:
                    end_marked(str(self._run.root))
                reader.join(5)
                self._view.close()
        return ending

    def _start(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        command, env = python_child("runner.execute.job")
        env[RUN_MARK] = str(self._run.root)
        return subprocess.Popen(
            [*command, str(self._run.root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env, **own_group(),
        )  # fmt: skip

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            self._view.show(said["progress"], time.monotonic() - self._began)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1

    def _wait(self, process: subprocess.Popen[bytes]) -> Ending:
        asked_at: float | None = None
        reason = ""
        while (code := process.poll()) is None:
            if asked_at is None and (reason := self._why_stop()):
                asked_at = time.monotonic()
                self._ask_to_stop(process)
            if asked_at is not None and (self._interrupts > 1 or time.monotonic() - asked_at > _GRACE_S):
                end_tree(process.pid)
            time.sleep(_POLL_S)
        if asked_at is not None:
            return Ending(KILLED, reason)
        return _ending_of(code, self._run)

    def _why_stop(self) -> str:
        if self._interrupts:
            return "interrupted; run the same command again to go on"
        if self._timeout_s and time.monotonic() - self._began > self._timeout_s:
            return f"took longer than job_timeout_s={self._timeout_s:g}; run the same command again to go on"
        return ""

    @staticmethod
    def _ask_to_stop(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        try:
            process.stdin.write(b"stop\n")
            process.stdin.flush()
        except OSError:  # it just ended by itself
            return


def _ending_of(code: int, run: RunDir) -> Ending:
    """The journal tells, unless the process ended without its last word."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return Ending(KILLED, f"its process was ended by {name}; run the same command again to go on")
    if code not in EXIT.values() or not _has_last_word(run):
        said = _last_line(run.log)
        return Ending("failed", f"its process ended with status {code} ({said}); see job.log in the run's folder")
    return Ending()


def _has_last_word(run: RunDir) -> bool:
    return '"event":"end"' in _last_line(run.journal)


def _last_line(file: Path) -> str:
    if not file.is_file():
        return ""
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - 4096))
        found = lines.read().decode(errors="replace").strip().splitlines()
    return found[-1] if found else ""


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Take Ctrl-C and the like while the job runs; only a main thread may (a sweep's launcher may use others)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

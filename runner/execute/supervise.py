"""The parent of one job: starts it, shows its progress, owns its time-out, signals and last word."""

from __future__ import annotations

import contextlib
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
from typing import Any

from filelock import FileLock

from runner.execute.job import KILLED
from runner.record.progress import View
from runner.record.rundir import EXIT_CODES, RunDir
from stages.platform.processes import end_marked, end_tree, own_group, python_child

_GRACE_S = 10.0
_POLL_S = 0.05


@dataclass(slots=True)
class Ending:
    """How a job ended: its status ("" when its journal tells), and a sentence when something cut it short."""

    status: str = ""
    reason: str = ""


class JobProcess:
    """The child process of a job, started early: it waits for the folder of its run."""

    def __init__(self) -> None:
        command, env = python_child("runner.execute.job")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, **own_group())

    def send(self, line: str) -> None:
        """Say something; nobody may be there any more."""
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def dismiss(self) -> None:
        """Let go of it: a process that was never given a run is ended, one that ran is gone already."""
        if self.process.poll() is None:
            end_tree(self.process.pid)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


class Supervisor:
    """Runs one prepared run folder in a child process."""

    def __init__(self, run: RunDir, view: View, *, timeout_s: float = 0.0, job: JobProcess | None = None) -> None:
        self._run = run
        self._view = view
        self._timeout_s = timeout_s
        self._job = job
        self._interrupts = 0
        self._began = time.monotonic()

    def run(self) -> Ending:
        """Start the job and wait for its end, whatever end it takes."""
        with FileLock(self._run.lock), _signals(self._interrupt):
            job = self._job or JobProcess()
            job.send(str(self._run.root))
            reader = threading.Thread(target=self._follow, args=(job.process,), daemon=True)
            reader.start()
            try:
                ending = self._wait(job)
            finally:
                end_tree(job.process.pid)
                job.process.wait()
                if job.process.returncode < 0 or self._interrupts:
                    end_marked(str(self._run.root))
                reader.join(5)
                self._view.close()
        return ending

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            self._view.show(said["progress"], time.monotonic() - self._began)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1

    def _wait(self, job: JobProcess) -> Ending:
        process = job.process
        asked_at: float | None = None
        reason = ""
        while (code := process.poll()) is None:
            if asked_at is None and (reason := self._why_stop()):
                asked_at = time.monotonic()
                job.send("stop")
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


def _ending_of(code: int, run: RunDir) -> Ending:
    """The journal tells, unless the process ended without its last word."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return Ending(KILLED, f"its process was ended by {name}; run the same command again to go on")
    if code not in EXIT_CODES.values() or not _has_last_word(run):
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

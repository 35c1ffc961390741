"""The one runner of outside programs: no shell, pipes always drained, its own process group, bounded memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.contract import Failure, StageError
from stages.media.pipes import STUCK, Piece, Pipes, Reader
from stages.platform import WINDOWS
from stages.platform.limits import limit_memory
from stages.platform.processes import end_group, own_group

_DRAIN_S = 1.0  # how long a pipe may stay open after its program ended: then a left-over child holds it
_KILLED = 9  # the signal that the kernel sends when memory is out
_CAUSES: tuple[tuple[Failure, tuple[str, ...]], ...] = (
    (Failure.DISK_FULL, ("No space left on device", "Disk quota exceeded", "not enough space on the disk")),
    (
        Failure.HOST_OOM,
        (
            "Cannot allocate memory",
            "malloc of size",  # x264, x265
            "emory allocation fail",
            STUCK.decode(),
            "std::bad_alloc",
            "MemoryError",
        ),
    ),
    (
        Failure.BAD_INPUT,
        (
            "Invalid data found when processing input",
            "moov atom not found",
            "does not contain any stream",
            "matches no streams",
            "Error opening input",
            "could not find codec parameters",
        ),
    ),
)


class ProcessCancelledError(Exception):
    """The caller asked for the end of the program, and it ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program left.

    Attributes:
        status: exit status; negative: the signal that ended it.
        stderr: the last 16 KB of what it said.
        stdout: the last `keep_stdout` bytes of what it wrote, empty when a callback took it.
        cpu_s: CPU seconds of the program and of the children it waited for; 0.0 where the system does not tell.
        wall_s: seconds from start to end.
        limit: what was done about its memory limit, in words.
    """

    status: int
    stderr: str
    stdout: bytes
    cpu_s: float
    wall_s: float
    limit: str = ""


def run_process(
    argv: Sequence[str | Path],
    *,
    timeout_s: float | None = None,
    cancel: threading.Event | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
    keep_stdout: int = 64 * 1024,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    grace_s: float = 2.0,
    check: bool = True,
    memory_mb: int = 0,
    feed: Iterable[Piece] | None = None,
) -> Finished:
    """Run a program to its end.

    Args:
        argv: the program and its words, handed over as they are.
        timeout_s: after this many seconds its whole process group is ended.
        cancel: when set, its whole process group is ended.
        on_stdout: gets pieces of stdout as they come, in another thread; what it raises ends the program.
        keep_stdout: bytes of stdout kept (the last ones) when there is no `on_stdout`.
        cwd: folder to run in.
        environment: the whole environment; ours when None.
        grace_s: seconds between asking for an end and forcing it.
        check: raise when the status is not 0.
        memory_mb: private memory that it, and each program it starts, may take, MB; 0 for no limit but ours. Linux
            counts what is reserved: with many threads twice the resident memory and more.
        feed: what its stdin gets, piece by piece, made in another thread; what it raises ends the program. None: an
            empty stdin. A program that ends before it took all is judged by its status alone.

    Raises:
        StageError: TIMEOUT; when the program cannot be started; with `check`, of the class its stderr tells.
        ProcessCancelledError: when `cancel` was set.
    """
    words = [str(word) for word in argv]
    started = time.monotonic()
    process = _start(words, cwd, environment, fed=feed is not None)
    limit = limit_memory(memory_mb, process.pid)
    pipes = Pipes(process, keep_stdout, on_stdout, feed)
    try:
        pipes.start()
        why = _wait(process, pipes.out, timeout_s, (cancel, pipes.broken), grace_s)
        cpu_s = _reap(process, pipes.end())
    except BaseException:
        end_group(process.pid, force=True)
        process.wait()
        raise
    finally:
        pipes.close()
    said, left = pipes.err.tail.decode(errors="replace"), bytes(pipes.out.tail)
    done = Finished(process.returncode, said, left, cpu_s, time.monotonic() - started, limit)
    _judge(words[0], done, why, timeout_s, pipes.error, check=check)
    return done


def _start(
    words: list[str], cwd: Path | None, environment: Mapping[str, str] | None, *, fed: bool
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            bufsize=0,
            **own_group(),
        )
    except OSError as error:
        sentence = f"{words[0]} cannot be started ({error.strerror or error}); see `reeltune doctor`"
        raise StageError(Failure.ENCODER, sentence) from error


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program ended, without reaping it where that can be: its group number must stay ours."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    return process.poll() is not None


def _wait(
    process: subprocess.Popen[bytes],
    out: Reader,
    timeout_s: float | None,
    ends: Sequence[threading.Event | None],
    grace_s: float,
) -> str:
    """Wait for the end, or bring it about. Its stdout closes as it ends: that is not slept over.

    Returns:
        `` (it ended by itself), `timeout` or `cancel`.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pause = 0.001
    while not _ended(process):
        why = "timeout" if deadline is not None and time.monotonic() >= deadline else ""
        why = "cancel" if any(event is not None and event.is_set() for event in ends) else why
        if why:
            _end(process, grace_s)
            return why
        if out.is_alive():
            out.join(pause)
            pause = min(pause * 1.5, 0.05) if out.is_alive() else 0.001
        else:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
    return ""


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask the group to end, then force it: what ignores the asking, and its children, end too."""
    end_group(process.pid, force=False)
    deadline = time.monotonic() + grace_s
    while not _ended(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    end_group(process.pid, force=True)
    while not _ended(process):
        time.sleep(0.005)


def _reap(process: subprocess.Popen[bytes], pipes: Sequence[threading.Thread]) -> float:
    """Read what is left in the pipes, end children that still hold them, then collect status and CPU seconds."""
    for pipe in pipes:
        pipe.join(_DRAIN_S)
    if any(pipe.is_alive() for pipe in pipes):
        end_group(process.pid, force=True)
        for pipe in pipes:
            pipe.join(_DRAIN_S)
    if WINDOWS or process.returncode is not None:
        process.wait()
        return 0.0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _judge(
    program: str, done: Finished, why: str, timeout_s: float | None, error: Exception | None, *, check: bool
) -> None:
    name = Path(program).name
    if error is not None:
        raise error
    if why == "timeout":
        sentence = (
            f"{name} was still running after {timeout_s:g} s and was ended; allow it more time or give it less work"
        )
        raise StageError(Failure.TIMEOUT, sentence, detail=done.stderr)
    if why == "cancel" and STUCK.decode() not in done.stderr:
        raise ProcessCancelledError(f"{name} was ended on request")
    if check and done.status != 0:
        failure, sentence = failure_of(name, done)
        if failure in (Failure.HOST_OOM, Failure.CRASHED) and done.limit.startswith("RLIMIT"):
            sentence += f" (held to {done.limit}; limits.worker_ram_mb is the least that a program gets)"
        raise StageError(failure, sentence, detail=done.stderr)


def failure_of(name: str, done: Finished) -> tuple[Failure, str]:
    """The class of a program's failure, and one sentence with the line of its stderr that tells most."""
    for failure, texts in _CAUSES:
        for line in done.stderr.splitlines():
            if any(text in line for text in texts):
                return failure, f"{name}: {line.strip()}"
    if done.status == -_KILLED:  # not by us: that has been told before
        return Failure.HOST_OOM, f"{name} was killed, most likely because memory ran out; lower the worker count"
    if done.status < 0:
        return Failure.CRASHED, f"{name} was ended by signal {-done.status}"
    return Failure.ENCODER, f"{name} ended with status {done.status}: {_last_line(done.stderr)}"


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "Conversion failed" not in line]
    return lines[-1] if lines else "it said nothing"


def progress_reader(report: Callable[[dict[str, str]], None]) -> Callable[[bytes], None]:
    """An `on_stdout` for `-progress pipe:1`: calls `report` with each block (`out_time_us`, `speed`, `progress`)."""
    rest = b""
    block: dict[str, str] = {}

    def take(piece: bytes) -> None:
        nonlocal rest, block
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            key, _, value = line.decode(errors="replace").partition("=")
            block[key.strip()] = value.strip()
            if key.strip() == "progress":
                report(block)
                block = {}

    return take

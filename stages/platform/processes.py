"""Processes: how they are started, what ends with what, and the pipes between them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.platform import LINUX, WINDOWS


def own_group() -> dict[str, Any]:
    """Keyword arguments for `Popen` that put a child and its children into a group of their own."""
    if WINDOWS:
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def end_group(pid: int, *, force: bool) -> None:
    """End a process group made with `own_group`; asks first unless `force`. Windows: the process tree."""
    if WINDOWS:
        flags = ["/F"] if force else []
        subprocess.run(["taskkill", "/T", *flags, "/PID", str(pid)], capture_output=True, check=False)  # noqa: S607
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL if force else signal.SIGTERM)


def end_tree(pid: int) -> None:
    """End a process and everything it started, at once, whatever groups they are in."""
    import psutil

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()


RUN_MARK = "REELTUNE_RUN"


def end_marked(mark: str) -> int:
    """End every process that carries the mark of a run in its environment, whoever its parent is by now.

    An FFmpeg whose worker was killed has no parent left to end it, and a session of its own.

    Returns:
        how many there were.
    """
    import psutil

    ended = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(RUN_MARK) == mark and process.pid != os.getpid():
                process.kill()
                ended += 1
    return ended


def python_child(module: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of another Python process of this project, wherever it was started from.

    The current folder stays off its import path (a `stages/` or `json.py` of the user's must not be imported), and
    number libraries get one thread each: parallelism is the runner's business.
    """
    home = str(Path(__file__).resolve().parents[2])
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [home, env.get("PYTHONPATH", "")]))
    env |= {"PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        env.setdefault(name, "1")
    return [sys.executable, "-m", module], env


def die_with_parent(*, gently: bool = False) -> bool:
    """Ask the kernel to end this process when its parent ends. Linux only; elsewhere the lifeline pipe serves.

    Args:
        gently: SIGTERM instead of SIGKILL, for a process that has children of its own to end.
    """
    if not LINUX:
        return False
    pr_set_pdeathsig = 1
    number = signal.SIGTERM if gently else signal.SIGKILL
    return bool(ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, number) == 0)


def widen_pipe(descriptor: int, size: int) -> bool:
    """Give a pipe room for `size` bytes, so that large pieces go through in few turns. Linux only; True when it did.

    Elsewhere, and beyond what the user may have, it stays as it is, which only costs turns.
    """
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, size)
    except (ImportError, AttributeError, OSError):
        return False
    return True

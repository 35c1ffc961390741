"""The one place that knows the operating system: durability, links, process groups, limits.

Each function states its fall-back. Linux first; Windows and macOS do what they can and say what they did.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

LINUX = sys.platform.startswith("linux")
WINDOWS = sys.platform == "win32"

# --- files ---------------------------------------------------------------------------------


def flush_to_disk(path: Path) -> None:
    """Make a written file survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Make a rename inside the folder survive a power cut. Windows has no such call: skipped there."""
    if WINDOWS:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a small file so that readers see the old or the new one whole, never a half."""
    temp = beside(path)
    try:
        temp.write_bytes(content.encode() if isinstance(content, str) else content)
        if durable:
            flush_to_disk(temp)
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """A temporary name in the same folder, so that the final rename cannot cross a file system.

    The name does not grow with the file's own, which may be as long as the file system allows.
    """
    return path.with_name(f".part-{uuid.uuid4().hex[:12]}")


def move_durably(source: Path, target: Path) -> None:
    """Flush, then rename to the final name; across file systems: copy beside the target, flush, rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev == target.parent.stat().st_dev:
        flush_to_disk(source)
        source.replace(target)
        return
    link_or_copy(source, target, link=False)
    source.unlink()


def link_or_copy(source: Path, target: Path, *, link: bool = True) -> str:
    """Give a file a second name, by hard link where the file system can, else by copy.

    Returns:
        `link` or `copy`: what was done.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = beside(target)
    try:
        how = "link"
        try:
            if not link:
                raise OSError
            os.link(source, temp)
        except OSError:
            how = "copy"
            shutil.copyfile(source, temp)
            flush_to_disk(temp)
        temp.replace(target)
        return how
    finally:
        temp.unlink(missing_ok=True)


def point_latest(link: Path, target: Path) -> None:
    """Make `link` lead to the folder `target`. Where links are forbidden: a text file that names it."""
    temp = beside(link)
    try:
        temp.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
        temp.replace(link)
    except OSError:
        temp.unlink(missing_ok=True)
        write_atomic(link.with_suffix(".txt"), f"{target}\n")


def can_write(folder: Path) -> str | None:
    """Why nothing can be written to a folder, or None. A folder that is not there yet is not made."""
    home = folder.absolute()
    try:
        while not home.exists() and home != home.parent:
            home = home.parent
        if not home.is_dir():
            return f"{home} is not a folder"
        probe = home / f".write-{uuid.uuid4().hex[:8]}"
        if home == folder.absolute():
            probe.write_bytes(b"x")
            probe.unlink()
        else:
            probe.mkdir()
            probe.rmdir()
    except OSError as error:
        return error.strerror or str(error)
    return None


# --- processes -----------------------------------------------------------------------------


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
    home = str(Path(__file__).resolve().parent.parent)
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


# --- limits of the calling process -----------------------------------------------------------


def limit_memory(megabytes: int, pid: int = 0) -> str:
    """Cap the private memory of this process; more raises MemoryError or ends it, and spares the machine.

    RLIMIT_DATA counts brk and private writable mappings (Linux ≥ 4.7), which is what a worker really
    takes; RLIMIT_AS would also count mapped libraries and reserved address space.

    Args:
        megabytes: the limit; 0 for none.
        pid: a program that was just started, limited with what it starts instead of this process (Linux alone can).
            From outside: code between fork and exec is not safe in a process with threads.

    Returns:
        what was done, for the journal.
    """
    if megabytes <= 0:
        return "no memory limit asked"
    try:
        import resource
    except ImportError:
        return "no memory limit: this system has no rlimits"
    if pid and not LINUX:
        return "no memory limit: this system sets none on a running program"
    size = megabytes * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
    try:
        if pid:
            resource.prlimit(pid, resource.RLIMIT_DATA, (soft, hard))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    except (ValueError, OSError) as error:
        return f"no memory limit: {error}"
    return f"RLIMIT_DATA {soft // 1024 // 1024} MB"


def usable_cpus() -> list[int]:
    """The logical CPUs this process may run on (affinity respected; without it: all)."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def limit_cpus(count: int, index: int) -> str:
    """Pin this process to `count` CPUs, the `index`-th slice of the usable ones, going round.

    Returns:
        what was done, for the journal. Systems without affinity get a lower priority instead.
    """
    cpus = usable_cpus()
    if count <= 0 or count >= len(cpus):
        return "all CPUs"
    if not hasattr(os, "sched_setaffinity"):
        return f"no affinity on this system; {lower_priority()}"
    start = index * count
    chosen = {cpus[(start + offset) % len(cpus)] for offset in range(count)}
    os.sched_setaffinity(0, chosen)
    return f"CPUs {','.join(map(str, sorted(chosen)))}"


def lower_priority(by: int = 5) -> str:
    """Be nice to the desktop. Windows: below-normal class."""
    try:
        if WINDOWS:
            import psutil

            psutil.Process().nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 0x4000))
        else:
            os.nice(by)
    except (OSError, PermissionError) as error:
        return f"priority unchanged: {error}"
    return f"nice +{by}"


def peak_rss_mb() -> float:
    """Peak resident memory of this process so far, MB; 0.0 where the system does not tell.

    Linux: the high-water mark of /proc. Its ru_maxrss begins with the size of the process that started this one.
    """
    if LINUX:
        lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
    return _usage("RUSAGE_SELF")[1]


def spent_by_children() -> tuple[float, float]:
    """What the children that this process waited for took so far, and theirs.

    Returns:
        CPU seconds, and the peak resident memory of the largest, MB (on Linux at least that of this process when it
        started the child); zeros where the system does not tell.
    """
    return _usage("RUSAGE_CHILDREN")


def _usage(of: str) -> tuple[float, float]:
    try:
        import resource
    except ImportError:
        return 0.0, 0.0
    used = resource.getrusage(getattr(resource, of))
    return used.ru_utime + used.ru_stime, used.ru_maxrss / (1024 if LINUX else 1024 * 1024)

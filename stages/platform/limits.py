"""Limits that this process is held to, and what it took so far."""

from __future__ import annotations

import os
from pathlib import Path

from stages.platform import LINUX, WINDOWS


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

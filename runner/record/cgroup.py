"""What a container lets us use, where the kernel tells (cgroup v2, then v1); None where there is no limit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


@cache
def own_folder(root: Path = _ROOT, membership: Path = Path("/proc/self/cgroup")) -> Path:
    """The cgroup v2 folder of this process; the root when its own is not to be seen (in most containers)."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return root
    own = next((root / line[3:].strip().lstrip("/") for line in lines if line.startswith("0::")), root)
    return own if own.is_dir() else root


def cpu_quota(folder: Path | None = None) -> float | None:
    """CPUs that the cgroup may keep busy, or None."""
    folder = folder or own_folder()
    quota, period = (_words(folder / "cpu.max") or ["max", "100000"])[:2]
    if quota == "max":
        quota = (_words(folder / "cpu/cpu.cfs_quota_us") or ["-1"])[0]
        period = (_words(folder / "cpu/cpu.cfs_period_us") or ["100000"])[0]
    cpus = float(quota) / float(period)
    return cpus if cpus > 0 else None


def cpu_seconds(folder: Path | None = None) -> float | None:
    """CPU seconds that the cgroup has used so far, or None."""
    folder = folder or own_folder()
    words = _words(folder / "cpu.stat")
    if "usage_usec" in words:
        return int(words[words.index("usage_usec") + 1]) / 1e6
    nanoseconds = _words(folder / "cpuacct/cpuacct.usage")
    return int(nanoseconds[0]) / 1e9 if nanoseconds else None


def memory_share(total: int, folder: Path | None = None) -> float | None:
    """Memory in use, in percent of the cgroup's limit, or None when it has none below `total` bytes.

    File cache that the kernel would drop first (inactive_file) does not count as used.
    """
    folder = folder or own_folder()
    limit = _number(folder, "memory.max", "memory/memory.limit_in_bytes")
    used = _number(folder, "memory.current", "memory/memory.usage_in_bytes")
    if limit is None or used is None or limit >= total:
        return None
    words = _words(folder / "memory.stat") or _words(folder / "memory/memory.stat")
    cache_bytes = int(words[words.index("inactive_file") + 1]) if "inactive_file" in words else 0
    return 100.0 * max(0, used - cache_bytes) / limit


def _number(folder: Path, *names: str) -> int | None:
    for name in names:
        words = _words(folder / name)
        if words and words[0].isdigit():
            return int(words[0])
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []

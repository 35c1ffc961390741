"""CPU time that a container has used, where the kernel tells (cgroup v2, then v1). Its limits: `runner.hardware`."""

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


def cpu_seconds(folder: Path | None = None) -> float | None:
    """CPU seconds that the cgroup has used so far, or None."""
    folder = folder or own_folder()
    words = _words(folder / "cpu.stat")
    if "usage_usec" in words:
        return int(words[words.index("usage_usec") + 1]) / 1e6
    nanoseconds = _words(folder / "cpuacct/cpuacct.usage")
    return int(nanoseconds[0]) / 1e9 if nanoseconds else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
